"""One segment of a run as spans: its root, the step under way, and what happens within it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from opentelemetry import trace as api

from concertmaster.contracts import AuditEvent, Turn
from concertmaster.telemetry import conventions as c
from concertmaster.telemetry.facts import Names, facts, failure, number
from concertmaster.telemetry.ids import Derived, conversation_id, root_id, span_id, trace_id

if TYPE_CHECKING:
    from opentelemetry.trace import Link, Span, Tracer

__all__ = ["Segment", "Tracing", "nanoseconds"]

_MOST_NOTES = 120
_LONGEST = 8_000
_USAGE = "model_calls tool_calls input_tokens output_tokens cached_tokens cost".split()


class Tracing:
    """What all segments of a desk are made with.

    Args:
        tracer: makes the spans.
        ids: gives them their ids; None if the tracer's own ids are used.
        names: what the workspace declares.
        clean: takes personal data out of content; None if no content may be told.
    """

    def __init__(self, tracer: Tracer, ids: Derived | None, names: Names, clean: Any) -> None:
        self.tracer, self.ids, self.names, self.clean = tracer, ids, names, clean

    def begin(
        self,
        name: str,
        at: int,
        told: Mapping[str, Any],
        *,
        place: tuple[str, str],
        within: Span | None = None,
        kind: api.SpanKind = api.SpanKind.INTERNAL,
        links: Sequence[Link] = (),
    ) -> Span:
        """Begin a span at a time; `place` has the ids of trace and span that it is to have."""
        context = api.set_span_in_context(within or api.INVALID_SPAN)
        arguments: dict[str, Any] = {
            "context": context,
            "kind": kind,
            "attributes": {k: v for k, v in told.items() if v is not None},
            "links": list(links),
            "start_time": at,
        }
        if self.ids is None:
            return self.tracer.start_span(name, **arguments)
        with self.ids.giving(*place):
            return self.tracer.start_span(name, **arguments)

    def told(self, event: AuditEvent) -> dict[str, Any]:
        """Return what is told of an event; its reason only if content may be told."""
        found = facts(event, self.names)
        if self.clean is not None:
            found["concertmaster.why"] = str(self.clean(event.why))[:_LONGEST]
        return found

    def text(self, value: Any) -> str:
        """Return content as JSON without personal data, bounded."""
        return json.dumps(self.clean(value), ensure_ascii=False, default=str)[:_LONGEST]


class Segment:
    """The spans of one segment, from the event that began it to where it rests."""

    def __init__(
        self, tracing: Tracing, event: AuditEvent, woken_by: str, links: Sequence[Link] = ()
    ) -> None:
        assert event.run is not None
        self._tracing, self._run, self._woken_by = tracing, event.run, woken_by
        self._trace = trace_id(event.run, woken_by)
        self._step: Span | None = None
        self._step_at = nanoseconds(event)
        self._chats: dict[str, Span] = {}
        self._decided: dict[str, AuditEvent] = {}
        # With content, calls are ended once their arguments and results are known.
        self._calls: list[tuple[Span, int, object]] = []
        self._notes = 0
        self.ended: AuditEvent | None = None
        told = {
            c.OPERATION: "invoke_workflow",
            c.WORKFLOW: tracing.names.workflow,
            c.RUN: event.run,
            c.EVENT: event.id,
            c.CONVERSATION: conversation_id(event.thread) if event.thread else None,
        }
        self.root = tracing.begin(
            f"invoke_workflow {tracing.names.workflow}",
            nanoseconds(event),
            told,
            place=(self._trace, root_id(event.run, woken_by)),
            links=links,
        )

    def take(self, event: AuditEvent) -> None:
        """Show one event: as a span of its own, as the end of one, or as a note on one."""
        match event.type:
            case "route.hop" | "route.ask":
                self._hop(event)
            case "model.chosen":
                self._chosen(event)
            case "model.called" | "model.failed":
                self._asked(event)
            case "retrieval.done":
                self._retrieved(event)
            case "tool.called" | "effect.done" | "effect.failed" | "effect.in_doubt":
                self._called(event)
            case "policy.decided" if event.actor == "act":
                self._decided[str(event.data.get("position"))] = event
            case "step.failed":
                self._fail(self._step or self.root, failure(event) or "other")
                self._note(event)
            case "run.ended" | "run.cancelled":
                self.ended = event
                self._note(event)
            case _:
                self._note(event)

    def rest(self, at: int, status: str, turn: Turn | None, message: str, answer: str) -> None:
        """End everything that is open.

        Args:
            at: when, in nanoseconds since 1970.
            status: how the run stands.
            turn: what became of it, for the content of its calls.
            message, answer: content, told only if that is allowed.
        """
        self._finish_calls(turn)
        for span in self._chats.values():
            self._fail(span, "cut_off")
            span.end(at)
        self._end_step(at)
        self.root.set_attribute("concertmaster.outcome", status)
        if status in ("failed", "cut_off"):
            kind = (failure(self.ended) if self.ended else None) or status
            self._fail(self.root, kind)
        usage = self.ended.data.get("usage") if self.ended else None
        for key, value in usage.items() if isinstance(usage, Mapping) else ():
            # Under names of our own: backends add up gen_ai.usage over all spans of a trace.
            if key in _USAGE and isinstance(value, int | float):
                self.root.set_attribute(f"concertmaster.usage.{key}", value)
        if self._tracing.clean is not None:
            self._content(message, answer)
        self.root.end(at)

    def _content(self, message: str, answer: str) -> None:
        for name, role, text in (
            (c.INPUT_MESSAGES, "user", message),
            (c.OUTPUT_MESSAGES, "assistant", answer),
        ):
            if text:
                part = {"role": role, "parts": [{"type": "text", "content": text}]}
                self.root.set_attribute(name, self._tracing.text([part]))

    def _hop(self, event: AuditEvent) -> None:
        to = self._tracing.names.step(event.data.get("to"))
        at = nanoseconds(event)
        self._end_step(at)
        if to not in self._tracing.names.steps:
            self._note(event)
            return
        told = {c.OPERATION: "invoke_agent", c.AGENT: to, **self._tracing.told(event)}
        self._step = self._begin(f"invoke_agent {to}", at, told, event, within=self.root)
        self._step_at = at

    def _end_step(self, at: int) -> None:
        if self._step is not None:
            self._step.end(at)
            self._step = None

    def _chosen(self, event: AuditEvent) -> None:
        name = str(event.data.get("model"))
        provider, model = self._tracing.names.model(name)
        told = {c.OPERATION: "chat", c.PROVIDER: provider, c.MODEL: model}
        told |= self._tracing.told(event)
        at = nanoseconds(event)
        if (left := self._chats.pop(name, None)) is not None:
            left.end(at)
        self._chats[name] = self._begin(
            f"chat {model}", at, told, event, within=self._step, kind=api.SpanKind.CLIENT
        )

    def _asked(self, event: AuditEvent) -> None:
        """End the span of a model's call; what was never begun is a note."""
        span = self._chats.pop(str(event.data.get("model")), None)
        if span is None:
            self._note(event)
            return
        if (kind := failure(event)) is not None:
            self._fail(span, kind)
        else:
            data = event.data
            span.set_attributes(
                {
                    c.INPUT_TOKENS: number(data.get("input_tokens")),
                    c.OUTPUT_TOKENS: number(data.get("output_tokens")),
                    c.CACHED_TOKENS: number(data.get("cached_tokens")),
                    # Anything that was cut off or filtered is a failure here, never an answer.
                    c.FINISH: ["tool_call" if data.get("calls") else "stop"],
                }
            )
            if isinstance(cost := data.get("cost"), int | float):
                span.set_attribute("concertmaster.cost", cost)
        span.end(nanoseconds(event))

    def _retrieved(self, event: AuditEvent) -> None:
        told = {c.OPERATION: "retrieval", **self._tracing.told(event)}
        span = self._begin("retrieval", self._step_at, told, event, within=self._step)
        span.end(nanoseconds(event))

    def _called(self, event: AuditEvent) -> None:
        """Show a call that was made, from its last decision to its result."""
        position = event.data.get("position")
        decided = self._decided.pop(str(position), None)
        if decided is None:
            self._note(event)
            return
        tool = self._tracing.names.tool(event.data.get("tool"))
        told = {
            c.OPERATION: "execute_tool",
            c.TOOL: tool,
            c.TOOL_TYPE: "function",
            c.TOOL_CALL: f"{self._run}/{number(position)}",
            **self._tracing.told(decided),
        }
        at = nanoseconds(decided)
        span = self._begin(f"execute_tool {tool}", at, told, decided, within=self._step)
        if (kind := failure(event)) is not None:
            self._fail(span, kind)
        if self._tracing.clean is None:
            span.end(nanoseconds(event))
        else:
            self._calls.append((span, nanoseconds(event), position))

    def _finish_calls(self, turn: Turn | None) -> None:
        actions = {a.position: a for a in turn.actions} if turn else {}
        for span, at, position in self._calls:
            if isinstance(position, int) and position in actions:
                span.set_attribute(c.ARGUMENTS, self._tracing.text(actions[position].arguments))
            result = turn.results.get(str(position)) if turn else None
            if result is not None:
                span.set_attribute(c.RESULT, self._tracing.text(result.output))
            span.end(at)
        self._calls.clear()

    def _note(self, event: AuditEvent) -> None:
        self._notes += 1
        if self._notes <= _MOST_NOTES:
            span = self._step or self.root
            span.add_event(event.type, self._tracing.told(event), nanoseconds(event))

    def _fail(self, span: Span, kind: str) -> None:
        span.set_attribute(c.ERROR, kind)
        span.set_status(api.StatusCode.ERROR)

    def _begin(
        self,
        name: str,
        at: int,
        told: Mapping[str, Any],
        event: AuditEvent,
        *,
        within: Span | None,
        kind: api.SpanKind = api.SpanKind.INTERNAL,
    ) -> Span:
        told = {**told, c.RUN: self._run, c.EVENT: event.id}
        place = self._trace, span_id(event.id)
        return self._tracing.begin(
            name, at, told, place=place, within=within or self.root, kind=kind
        )


def link_to_first(run: str) -> Link:
    """Return a link to the root of a run's first trace, wherever that was made."""
    context = api.SpanContext(
        int(trace_id(run), 16),
        int(root_id(run), 16),
        is_remote=True,
        trace_flags=api.TraceFlags(api.TraceFlags.SAMPLED),
    )
    return api.Link(context, {"concertmaster.link": "first part of the run", c.RUN: run})


def nanoseconds(event: AuditEvent) -> int:
    """Return when an event took place, in nanoseconds since 1970."""
    return round(datetime.fromisoformat(event.time).timestamp() * 1e6) * 1000
