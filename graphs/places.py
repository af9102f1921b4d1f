"""The places in which a call's values may stand, read from the stores and the host's ticket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache

from concertmaster.agents.task import Services, Session
from concertmaster.contracts import Trust
from concertmaster.contracts.spec import WorkspaceSpec
from concertmaster.graphs.constants import constants_of
from concertmaster.policies.provenance import Source
from concertmaster.tools.declaration import Tool
from concertmaster.tools.journal import Made, Note

__all__ = ["constants_in", "documents", "output_of", "playbook_constants", "words_of"]


def words_of(session: Session) -> Iterator[Source]:
    """Yield the principal's own messages, and what the host says of the principal."""
    for number, text in enumerate(session.words):
        yield Source(f"words:{number}" if number else "request", "principal", text)
    who = session.principal
    known = {"id": who.id, "name": who.name, "tenant": who.tenant, "thread": session.thread}
    yield Source("caller", "trusted", known)


def playbook_constants(services: Services, intent: str | None) -> Iterator[Source]:
    """Yield what the workspace's owner wrote into the playbooks that may have made a call."""
    yield from constants_in(services.spec, intent)


def constants_in(spec: WorkspaceSpec, intent: str | None) -> Iterator[Source]:
    """Yield the constants of the playbooks that a workspace runs for an intent."""
    names = [step.playbook for step in spec.workflow.steps]
    names += [i.playbook for i in spec.intents.intents if i.name == intent]
    wanted = {name for name in names if name}
    for playbook in spec.playbooks.playbooks:
        content = constants_of(playbook) if playbook.name in wanted else []
        if content:
            yield Source(f"playbook:{playbook.name}", "trusted", content)


async def documents(services: Services, session: Session, note: Note | None) -> list[Source]:
    """Return the noted passages as the index has them, if the principal may read them.

    What is in the index was taken in by the workspace's operator, and is labelled trusted.
    """
    knowledge = services.knowledge
    if note is None or knowledge is None:
        return []
    found: dict[tuple[str, str], str | None] = {}
    sources = []
    for document, version, start, end in note.passages:
        key = (document, version)
        if key not in found:
            found[key] = await knowledge.text(document, version, session.principal)
        text = found[key]
        if text:
            sources.append(Source(f"document:{document}", "trusted", text[start:end]))
    return sources


def output_of(services: Services, call: Made) -> tuple[Source, ...]:
    """Return a call's output as its tool, as it is declared now, lets it be trusted."""
    toolbox = services.toolbox
    tool = toolbox[call.tool] if call.tool in toolbox.names else None
    return _parts(tool, f"result:{call.tool}@{call.run}/{call.position}", call.output or "null")


@lru_cache(maxsize=1024)
def _parts(tool: Tool | None, name: str, output: str) -> tuple[Source, ...]:
    """Return an output's trusted part and the rest, as sources; what is unknown is untrusted."""
    content = json.loads(output)
    if tool is None:
        return (Source(name, "untrusted", content),)
    if tool.trust is Trust.trusted:
        return (Source(name, "trusted", content),)
    endorsed = tool.endorsed(content)
    trusted = () if endorsed is None else (Source(name, "trusted", endorsed),)
    return (*trusted, Source(name, "untrusted", content))
