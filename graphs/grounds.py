"""What a call is judged by: the places of its values, what was done before, what was asked for.

Nothing here is taken from a run's state. The principal's words come with the host's ticket;
results, refusals and the intent from the journal; documents from the index, if the principal may
read them; what reviewers let through from the approvals. State can at most name a passage, and
then the index says what stands in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from concertmaster.agents.task import Services, Session
from concertmaster.contracts import (
    Action,
    Approval,
    Confidentiality,
    History,
    Label,
    Trust,
    Turn,
)
from concertmaster.graphs.places import documents, output_of, playbook_constants, words_of
from concertmaster.policies.endorsement import endorsements
from concertmaster.policies.provenance import Source, Sources
from concertmaster.tools.declaration import Tool
from concertmaster.tools.journal import Chronicle, Note

__all__ = ["Grounds", "gather", "take_note"]

_WORST = Label(confidentiality=Confidentiality.restricted)
_MOST_CHARACTERS = 2**20
_NO_SOURCES = Sources()


@dataclass(frozen=True, kw_only=True)
class Grounds:
    """What the calls of one pass are judged by; each sees what came before it."""

    services: Services
    session: Session
    chronicle: Chronicle | None = None
    approvals: tuple[Approval, ...] = ()
    fixed: Sources = _NO_SOURCES
    intent: str | None = None
    offered: frozenset[str] = frozenset()

    def sources(self, action: Action) -> Sources:
        """Return the places in which values of this call may stand."""
        said = endorsements(self.approvals, action.position)
        return self.fixed.plus(*said, *self._results(action))

    def history(self, action: Action) -> History:
        """Return what was done before this call."""
        if self.chronicle is None:
            return History()
        return self.chronicle.history(action.position, _call(action))

    def label(self, action: Action) -> Label:
        """Return the label of everything that was read before this call: it only goes up."""
        label = _label_of_request(self.session)
        if self.chronicle is None:
            return label
        call = _call(action)
        for other in self.chronicle.labels(action.position, call):
            label = label.join(other)
        toolbox = self.services.toolbox
        for name in sorted(self.chronicle.effects(action.position, call)):
            label = label.join(_label_of_tool(toolbox[name]) if name in toolbox.names else _WORST)
        return label

    def _results(self, action: Action) -> Iterator[Source]:
        """Yield the outputs of the calls before this one, the latest first, up to a bound."""
        if self.chronicle is None:
            return
        room = _MOST_CHARACTERS
        made = self.chronicle.outputs(action.position, _call(action))
        for call in sorted(made, key=lambda m: m.at, reverse=True):
            room -= len(call.output or "")
            if room < 0:
                return
            yield from output_of(self.services, call)


async def gather(
    services: Services, session: Session, hint: str | None, turn: Turn | None = None
) -> Grounds:
    """Return what the calls of a run are judged by now.

    Args:
        services: the rooms.
        session: without a host there are no grounds, and no call runs.
        hint: the intent that state tells of, for policies that look at it; not authority.
        turn: given where calls are proposed, to note what the run rests on; see `take_note`.
    """
    if not session.run:
        return Grounds(services=services, session=session, intent=hint)
    chronicle = await services.carrier.journal.read(session.run, session.thread)
    note = chronicle.note
    if turn is not None:
        note = _noted(services, session, turn, chronicle)
    intent = note.intent if note else hint
    return Grounds(
        services=services,
        session=session,
        chronicle=chronicle,
        approvals=tuple(await services.approvals.list(run=session.run)),
        fixed=Sources(
            *words_of(session),
            *playbook_constants(services, intent),
            *await documents(services, session, note),
        ),
        intent=intent,
        offered=_offered(services, note),
    )


async def take_note(services: Services, session: Session, turn: Turn) -> None:
    """Write down what a run rests on: the classified intent and the passages that were found.

    This happens in the same segment in which they came about, before a plan is accepted, and
    what was noted first stays. So state that is written later changes nothing. A follow-up whose
    intent was taken over from the thread's memory, which is state, counts as asked for only if
    the run before, as it was noted, ended with a question about the same intent.
    """
    if session.run:
        chronicle = await services.carrier.journal.read(session.run, session.thread)
        _noted(services, session, turn, chronicle)


def _noted(services: Services, session: Session, turn: Turn, chronicle: Chronicle) -> Note:
    if chronicle.note is not None and turn.asks is None:
        return chronicle.note
    retrieved = turn.retrieved.evidence if turn.retrieved else ()
    note = Note(
        run=session.run,
        thread=session.thread,
        intent=turn.intent.name if turn.intent else None,
        offered=_own(turn, chronicle.note_before),
        asking=turn.asks is not None,
        passages=tuple((e.document, e.version, e.start, e.end) for e in retrieved),
    )
    services.carrier.journal.note(note)
    return chronicle.note or note


def _own(turn: Turn, before: Note | None) -> bool:
    """Tell whether the intent was read from the principal's own words."""
    intent = turn.intent
    if intent is None or intent.name is None or not intent.in_scope:
        return False
    if intent.method == "thread":
        return before is not None and before.asking and before.offered and _same(before, turn)
    return intent.method in ("linear", "chosen") or not turn.request.follows


def _same(before: Note, turn: Turn) -> bool:
    return turn.intent is not None and before.intent == turn.intent.name


def _offered(services: Services, note: Note | None) -> frozenset[str]:
    """Return the tools of the playbook of the principal's intent."""
    if note is None or not note.offered or note.intent is None:
        return frozenset()
    try:
        name = services.spec.intent(note.intent).playbook
        calls = services.spec.playbook(name).calls if name else ()
    except KeyError:
        return frozenset()
    return frozenset(call.tool for call in calls if call.tool is not None)


def _call(action: Action) -> str:
    try:
        return action.call_digest()
    except ValueError:
        return ""  # No plain JSON: the gate denies it.


def _label_of_request(session: Session) -> Label:
    trust = Trust.trusted if session.principal.authenticated else Trust.untrusted
    return Label(trust=trust, sources=("request",))


def _label_of_tool(tool: Tool) -> Label:
    return Label(trust=tool.trust, confidentiality=tool.label, sources=(tool.name,))
