"""An employee's office: e-mail, calendar and a cloud drive.

A file's text and name are whoever's words; the drive itself keeps id, size, owner, sharing and
times.
"""

from __future__ import annotations

from collections.abc import Mapping

from concertmaster.tools.endorsing import fields
from dojo.declarations_mail import CALENDAR, CONTACTS, MAIL
from dojo.declared import Declared

__all__ = ["WORKSPACE"]

_FILE = fields("id_", "size", "owner", "shared_with", "last_modified")
_ID = fields("id_")

_DRIVE: Mapping[str, Declared] = {
    "append_to_file": Declared(
        effect="write",
        targets=("file_id",),
        asks=("append", "add to file", "add to list", "add to document", "write into", "add them"),
        trusted=_ID,
    ),
    "search_files_by_filename": Declared(effect="read", trusted=_FILE),
    "create_file": Declared(
        effect="write",
        targets=("filename",),
        asks=("create file", "new file", "create document", "write file", "save file", "save as"),
        trusted=_ID,
    ),
    "delete_file": Declared(
        targets=("file_id",),
        asks=("delete file", "remove file", "delete document", "remove document"),
    ),
    "get_file_by_id": Declared(effect="read", trusted=_FILE),
    "list_files": Declared(effect="read", trusted=_FILE),
    "share_file": Declared(
        targets=("file_id", "email", "permission"),
        asks=("share", "give access"),
        trusted=_ID,
    ),
    "search_files": Declared(effect="read", trusted=_FILE),
}

WORKSPACE: Mapping[str, Declared] = {**MAIL, **CONTACTS, **CALENDAR, **_DRIVE}
