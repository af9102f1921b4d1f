"""The report: one HTML page that needs nothing else, with plots drawn as SVG, light and dark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from concertmaster.errors import ConfigError
from concertmaster.evaluation.baseline import means
from concertmaster.evaluation.evaluators import Judged
from concertmaster.evaluation.offline import Evaluation
from concertmaster.evaluation.verdict import Verdict

__all__ = ["page", "write_page"]

_STYLE = """
:root{color-scheme:light dark;--fg:#1f2328;--dim:#59636e;--bg:#fff;--card:#f6f8fa;--line:#d1d9e0;
--good:#1a7f37;--bad:#cf222e;--weak:#9a6700;--bar:#0969da}
@media(prefers-color-scheme:dark){:root{--fg:#e6edf3;--dim:#9198a1;--bg:#0d1117;--card:#151b23;
--line:#3d444d;--good:#3fb950;--bad:#f85149;--weak:#d29922;--bar:#4493f8}}
*{box-sizing:border-box}body{margin:0 auto;max-width:980px;padding:24px;background:var(--bg);
color:var(--fg);font:15px/1.5 system-ui,sans-serif}h1{font-size:1.5rem;margin:0 0 4px}
h2{font-size:1.1rem;margin:28px 0 8px}.dim{color:var(--dim)}.good{color:var(--good)}
.bad{color:var(--bad)}.weak{color:var(--weak)}.cards{display:flex;flex-wrap:wrap;gap:12px;
margin:16px 0}.card{background:var(--card);border:1px solid var(--line);border-radius:8px;
padding:10px 16px;min-width:130px}.card b{display:block;font-size:1.4rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:6px 10px;
border-bottom:1px solid var(--line)}td{overflow-wrap:anywhere}th{font-weight:600}
svg{max-width:100%;height:auto;display:block}svg text{fill:var(--fg);font:12px system-ui,sans-serif}
details{margin:2px 0}summary{cursor:pointer}ul{margin:4px 0;padding-left:20px}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def write_page(file: Path, evaluation: Evaluation, verdict: Verdict) -> None:
    """Write the report.

    Raises:
        ConfigError: the file cannot be written.
    """
    try:
        file.write_text(page(evaluation, verdict), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}") from error


def page(evaluation: Evaluation, verdict: Verdict) -> str:
    """Return the report of an evaluation; every text in it is escaped, nothing is loaded."""
    title = f"Evaluation of {evaluation.workflow}"
    parts = [
        f"<h1>{_text(title)}</h1>",
        f"<p class=dim>{_text(evaluation.dataset)} · {_text(evaluation.digest[:19])}"
        f"{''.join(f' · {_text(k)} {_text(v[:19])}' for k, v in evaluation.versions.items())}</p>",
        _conclusion(verdict),
        _cards(evaluation),
        "<h2>Scores</h2>",
        _scores_plot(evaluation),
        "<h2>How long cases took</h2>",
        _latency_plot(evaluation),
        "<h2>By tag</h2>",
        _tags_plot(evaluation),
        "<h2>Cases</h2>",
        _cases(evaluation),
    ]
    return (
        f"<!doctype html><html lang=en><head><meta charset=utf-8><title>{_text(title)}</title>"
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name=viewport content="width=device-width,initial-scale=1">'
        f"<style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _text(value: object) -> str:
    """Escape a text; what is invisible or reorders text is shown as an escape."""
    shown = "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in str(value))
    return escape(shown)


def _conclusion(verdict: Verdict) -> str:
    if verdict.holds:
        told = "Nothing is worse than in the baseline." if verdict.comparison else "It holds."
        return f"<p class=good><b>{told}</b></p>"
    found = "".join(f"<li>{_text(finding)}</li>" for finding in verdict.findings)
    return f"<p class=bad><b>It does not hold:</b></p><ul class=bad>{found}</ul>"


def _cards(evaluation: Evaluation) -> str:
    shown = (
        ("passed", f"{len(evaluation.passed)} of {evaluation.total}", "good"),
        ("failed", str(len(evaluation.failed)), "bad" if evaluation.failed else "good"),
        ("known weakness", str(len(evaluation.weak)), "weak"),
        ("refused connections", str(sum(evaluation.refused.values())), ""),
        ("seconds", f"{evaluation.seconds:.1f}", ""),
    )
    cards = "".join(
        f"<div class=card><b class='{style}'>{_text(value)}</b>{_text(name)}</div>"
        for name, value, style in shown
    )
    return f"<div class=cards>{cards}</div>"


def _bars(rows: Sequence[tuple[str, float, str]], label: str) -> str:
    """Draw horizontal bars of shares from 0 to 1, with their value in words."""
    height = 26 * len(rows) + 8
    drawn = []
    for n, (name, share, value) in enumerate(rows):
        y = 26 * n + 6
        width = 560 * min(max(share, 0.0), 1.0)
        colour = "var(--good)" if share >= 0.9995 else "var(--bar)"
        drawn.append(
            f'<text x="150" y="{y + 13}" text-anchor="end">{_text(name[:24])}</text>'
            f'<rect x="160" y="{y}" width="560" height="18" rx="3" fill="var(--card)"/>'
            f'<rect x="160" y="{y}" width="{width:.1f}" height="18" rx="3" fill="{colour}"/>'
            f'<text x="730" y="{y + 13}">{_text(value)}</text>'
        )
    return (
        f'<svg viewBox="0 0 860 {height}" width="860" height="{height}" role="img"'
        f' aria-label="{_text(label)}">{"".join(drawn)}</svg>'
    )


def _scores_plot(evaluation: Evaluation) -> str:
    rows = []
    for key, mean in means(evaluation.judged).items():
        scores = [s for j in evaluation.judged for s in j.scores if s.key == key]
        if any(s.unit != "share" for s in scores):
            continue
        passed = sum(s.passed is True for s in scores)
        judged = sum(s.passed is not None for s in scores)
        rows.append((key, mean, f"{mean:.3f} ({passed}/{judged})"))
    return _bars(rows, "mean score of each evaluator")


def _tags_plot(evaluation: Evaluation) -> str:
    tags = sorted({tag for j in evaluation.judged for tag in j.case.tags})
    rows = []
    for tag in tags:
        cases = [j for j in evaluation.judged if tag in j.case.tags]
        good = sum(j.passed for j in cases)
        rows.append((tag, good / len(cases), f"{good} of {len(cases)}"))
    return _bars(rows, "share of cases that passed, by tag") if rows else "<p class=dim>no tags</p>"


def _latency_plot(evaluation: Evaluation) -> str:
    """Draw a histogram of the seconds that the workflow worked on each case."""
    seconds = sorted(one.recorded.seconds for one in evaluation.judged)
    if not seconds:
        return "<p class=dim>no case was played</p>"
    bins, most = 24, max(seconds[-1], 1e-9)
    counts = [0] * bins
    for value in seconds:
        counts[min(int(value / most * bins), bins - 1)] += 1
    tallest = max(counts)
    drawn = "".join(
        f'<rect x="{40 + n * 33}" y="{130 - 110 * count / tallest:.1f}" width="29"'
        f' height="{110 * count / tallest:.1f}" fill="var(--bar)"><title>{count} cases from'
        f" {n * most / bins:.2f} to {(n + 1) * most / bins:.2f} s</title></rect>"
        for n, count in enumerate(counts)
        if count
    )
    middle = seconds[len(seconds) // 2]
    return (
        '<svg viewBox="0 0 860 160" width="860" height="160" role="img"'
        f' aria-label="how many cases took how long">{drawn}'
        f'<text x="34" y="30" text-anchor="end">{tallest}</text>'
        '<line x1="40" y1="130" x2="832" y2="130" stroke="var(--line)"/>'
        '<text x="40" y="148">0 s</text>'
        f'<text x="832" y="148" text-anchor="end">{most:.2f} s</text>'
        f'<text x="436" y="148" text-anchor="middle">median {middle:.3f} s</text></svg>'
    )


def _cases(evaluation: Evaluation) -> str:
    ordered = sorted(evaluation.judged, key=lambda j: (j.passed, j.case.known_weakness))
    rows = "".join(_row(one) for one in ordered)
    head = "<tr><th>case</th><th>result</th><th>what was said and answered</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _row(one: Judged) -> str:
    result, style = ("passed", "good") if one.passed else ("failed", "bad")
    if not one.passed and one.case.known_weakness:
        result, style = "known weakness", "weak"
    reasons = "".join(f"<li>{_text(reason)}</li>" for reason in one.reasons)
    tags = ", ".join(one.case.tags)
    return (
        f"<tr><td><b>{_text(one.case.id)}</b><br><span class=dim>{_text(tags)}</span></td>"
        f"<td class={style}>{result}</td><td>{f'<ul>{reasons}</ul>' if reasons else ''}"
        f"<details><summary>{_text(one.case.turns[0].text[:80])}</summary>"
        f"{''.join(_said(one))}</details></td></tr>"
    )


def _said(one: Judged) -> Iterator[str]:
    for n, said in enumerate(one.case.turns):
        yield f"<p><b>{_text(one.case.principal)}</b>: {_text(said.text)}</p>"
        if n < len(one.recorded.turns):
            turn = one.recorded.turns[n]
            path = " → ".join(turn.path)
            yield f"<p><b>{_text(turn.status)}</b>: {_text(turn.text)}</p>"
            yield f"<p class=dim>{_text(path)}</p>"
