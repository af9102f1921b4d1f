"""The peers' one tool, declared."""

from peers import tool

from concertmaster.tools import declare

file_note = declare(tool.file_note, effect="write", idempotent=True, label="internal", timeout=20)
