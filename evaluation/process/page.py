"""One page about a process: plots, map, paths and deviations. It loads nothing and runs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from concertmaster.evaluation.process.analysis import Analysis, Spread, Step
from concertmaster.evaluation.process.conformance import Conformance
from concertmaster.evaluation.process.log import PEOPLE, QUEUE, Log
from concertmaster.evaluation.process.map import drawn, left_out
from concertmaster.evaluation.process.plots import bars, histogram, in_words, number, stacked
from concertmaster.evaluation.process.style import STYLE

__all__ = ["page"]

_ORDER = ("answered", "escalated", "refused", "failed", "cancelled", "open")
_ROWS, _OUTCOMES = 40, 6
_REST = "(others)"
_KINDS = {
    "guard": "a guard sent it on",
    "table": "the table says otherwise today",
    "unled": "a step without a hop",
    "cut": "cut short",
    "ungoverned": "an effect without a decision",
}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def page(log: Log, figures: Analysis, fit: Conformance | None, made: str) -> str:
    """Return the page as HTML.

    Args:
        log: what it is about.
        figures: of the log.
        fit: how its runs fit their workflow; None for a foreign log, which declares none.
        made: when and by what, for the foot.
    """
    parts = [_head(figures), *_sections(log, figures, fit)]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Process report: {escape(figures.name)}</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(parts)}<footer>{escape(made)}</footer></main></body></html>\n"
    )


def _head(figures: Analysis) -> str:
    answered = figures.outcomes.get("answered")
    people = figures.waits.get(PEOPLE)
    tiles = [
        ("cases", number(figures.cases), f"{number(figures.events)} activities"),
        ("half end within", in_words(figures.seconds.p50), f"95 % {in_words(figures.seconds.p95)}"),
    ]
    if answered is not None:
        share = f"{100 * answered / figures.cases:.0f} %"
        tiles.append(("answered", share, f"{number(answered)} cases"))
    if people is not None:
        waited = f"{in_words(people.p50)}"
        tiles.append(("wait for people", waited, f"{people.count}×, 95 % {in_words(people.p95)}"))
    if figures.cost:
        per = number(figures.cost / figures.cases)
        tiles.append(("cost of models", number(figures.cost), f"{per} a case"))
    repeats = figures.rework["cases_with_repeats"]
    tiles.append(("cases with repeats", number(repeats), _rework(figures)))
    listed = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(more)}</small></dd></div>"
        for name, value, more in tiles
    )
    period = f"{_day(figures.first)} to {_day(figures.last)}" if figures.first else "no cases"
    return (
        f'<h1>{escape(figures.name)}</h1><p class="sub">Process report, {escape(period)}</p>'
        f'<dl class="tiles">{listed}</dl>'
    )


def _rework(figures: Analysis) -> str:
    rework = figures.rework
    return f"{rework['revisions']} revisions, {rework['retries']} retries"


def _day(moment: str | None) -> str:
    return (moment or "")[:16].replace("T", " ")


def _sections(log: Log, figures: Analysis, fit: Conformance | None) -> Iterable[str]:
    if not figures.cases:
        yield "<p>There is nothing to tell: the log holds no case.</p>"
        return
    known = [name for name in _ORDER if name in figures.outcomes]
    others = [name for name in figures.outcomes if name not in known]
    names = [*known, *others[:_OUTCOMES]]
    days = _by_period(figures, frozenset(names))
    names += [_REST] if len(others) > _OUTCOMES else []
    yield _section("Outcomes over time", _plot(stacked(days, names)))
    waits = [(name, wait) for name, wait in figures.waits.items() if wait.count]
    for name, wait in waits:
        values = (s for c in log.cases for e, s in c.timed() if e.activity == name)
        title = "Waits for people" if name == PEOPLE else "Waits in the queue"
        yield _section(title, _plot(histogram(values, title)) + _spread(wait))
    yield _section("Where the time goes", _steps(figures))
    yield _section("Process map", _map(figures))
    yield _section("By intent", _intents(figures)) if _has_intents(figures) else ""
    yield _section("Paths", _variants(figures))
    if fit is not None:
        yield _section("Beside the declared workflow", _fit(fit))
    if log.rejected_count:
        yield _section("What could not be read", _rejected(log))


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _plot(svg: str) -> str:
    return f'<div class="plot">{svg}</div>'


def _by_period(figures: Analysis, names: frozenset[str]) -> list[tuple[str, dict[str, int]]]:
    """Return the outcomes by day, or by month or year where there would be too many bars."""
    for length in (10, 7, 4):
        found: dict[str, dict[str, int]] = {}
        for day in figures.days:
            counts = found.setdefault(day.name[:length], {})
            for outcome, count in day.outcomes.items():
                name = outcome if outcome in names else _REST
                counts[name] = counts.get(name, 0) + count
        if len(found) <= 120:
            break
    return list(found.items())


def _spread(wait: Spread) -> str:
    return (
        f"<p>{number(wait.count)} waits; half of them within {in_words(wait.p50)}, 95 % within"
        f" {in_words(wait.p95)}; {in_words(wait.total)} together.</p>"
    )


def _steps(figures: Analysis) -> str:
    shown = [step for step in figures.steps if step.activity not in (PEOPLE, QUEUE)][:20]
    rows = [(s.activity, s.seconds.p50, s.seconds.p95, _both(s)) for s in shown]
    note = (
        "The log has one time an event, so these are times since the event before."
        if figures.one_time
        else "From entering a step to leaving it, without what was waited for people meanwhile."
    )
    names = ("activity", "cases", "visits", "repeats", "p50", "p95", "total", "share", "cost")
    table = _table(names[: None if figures.cost else -1], map(_step, figures.steps[:_ROWS]))
    plot = _plot(bars(rows, "median time by activity, with the 95th percentile"))
    told = "Bars are medians, marks the 95th percentile; shares are of all time, waits included."
    return f"<p>{told} {note}</p>{plot}{table}"


def _step(step: Step) -> tuple[str, ...]:
    return (
        step.activity,
        number(step.cases),
        number(step.visits),
        number(step.repeats),
        in_words(step.seconds.p50),
        in_words(step.seconds.p95),
        in_words(step.seconds.total),
        f"{100 * step.share:.1f} %",
        number(step.cost),
    )


def _both(step: Step) -> str:
    return f"{in_words(step.seconds.p50)} to {in_words(step.seconds.p95)}"


def _map(figures: Analysis) -> str:
    steps, arrows = left_out(figures)
    less = f" Left out: {steps} rare activities, {arrows} rare arrows." if steps or arrows else ""
    told = "Boxes tell how often and the median time, arrows how often; the warmer, the more time."
    return f"<p>{told}{less}</p>{_plot(drawn(figures))}"


def _has_intents(figures: Analysis) -> bool:
    return any(group.name != "(unknown)" for group in figures.intents)


def _intents(figures: Analysis) -> str:
    rows = [
        (
            group.name,
            number(group.cases),
            ", ".join(f"{n} {name}" for name, n in group.outcomes.items()),
            in_words(group.seconds.p50),
            in_words(group.seconds.p95),
            number(group.cost),
            number(group.cost / group.cases),
        )
        for group in figures.intents[:_ROWS]
    ]
    names = ("intent", "cases", "outcomes", "p50", "p95", "cost", "cost a case")
    return _table(names[: None if figures.cost else -2], rows, words=(0, 2))


def _variants(figures: Analysis) -> str:
    rows = [
        (" → ".join(v.path), number(v.cases), f"{100 * v.share:.1f} %")
        for v in figures.variants[:15]
    ]
    more = len(figures.variants) - len(rows)
    note = f"<p>{number(more)} more paths.</p>" if more > 0 else ""
    return _table(("path", "cases", "share"), rows) + note


def _fit(fit: Conformance) -> str:
    share = 100 * fit.fitting / fit.runs if fit.runs else 100.0
    told = (
        f"<p>{number(fit.fitting)} of {number(fit.runs)} runs ({share:.0f} %) went as the workflow"
        " declares. Each line of its table, and how often it decided:</p>"
    )
    routes = _table(
        ("line", "to", "when", "decided"),
        [(str(r.line), r.to, r.when, number(r.count) if r.count else "never") for r in fit.routes],
        words=(1, 2),
    )
    if not fit.deviations:
        return f"{told}{routes}<p>No run deviated.</p>"
    rows = [(d.run, _KINDS[d.kind], d.where, str(d.hop), d.why) for d in fit.deviations[:_ROWS]]
    more = len(fit.deviations) - len(rows)
    note = f"<p>{number(more)} more deviations; --json lists all.</p>" if more > 0 else ""
    listed = _table(("run", "how", "where", "hop", "why"), rows, words=(0, 1, 2, 4))
    return f"{told}{routes}<h3>Deviations</h3>{listed}{note}"


def _rejected(log: Log) -> str:
    rows = [(r.place, r.why) for r in log.rejected[:_ROWS]]
    told = f"<p>{number(log.rejected_count)} events were left out.</p>"
    return told + _table(("where", "why"), rows, words=(0, 1))


def _table(names: Sequence[str], rows: Iterable[Sequence[str]], words: Sequence[int] = (0,)) -> str:
    """Return a table; cells beyond the names are left out, and what holds no words is a figure."""

    def line(tag: str, cells: Sequence[str]) -> str:
        kinds = ["" if n in words else ' class="n"' for n in range(len(names))]
        told = (f"<{tag}{k}>{escape(c)}</{tag}>" for k, c in zip(kinds, cells, strict=False))
        return f"<tr>{''.join(told)}</tr>"

    body = "".join(line("td", row) for row in rows)
    head = line("th", names)
    return f'<div class="table"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>'
