"""How the page looks: light and dark by what the reader's device asks for, and in print."""

__all__ = ["STYLE"]

STYLE = """
:root { color-scheme: light dark;
  --ink: #1c2430; --soft: #5a6675; --page: #ffffff; --card: #f5f7f9; --line: #d5dbe2;
  --c-answered: #2a7f62; --c-escalated: #d08a11; --c-refused: #7f5ac0; --c-failed: #c43d4b;
  --c-cancelled: #8a94a0; --c-open: #3b7cc4; --c-other: #6f6a3c; --box: #e7eef6; --hot: #f2c9a5; }
@media (prefers-color-scheme: dark) { :root {
  --ink: #e8ecf1; --soft: #a3aebb; --page: #14181e; --card: #1d232b; --line: #39424e;
  --c-answered: #4fb392; --c-escalated: #e2a63d; --c-refused: #a98ae0; --c-failed: #e2707c;
  --c-cancelled: #7c8794; --c-open: #6aa5e6; --c-other: #b5ad6a; --box: #263444; --hot: #7a4a22; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", "Liberation Sans", sans-serif; }
main { max-width: 980px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 24px; margin: 0 0 2px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 34px 0 8px; }
h3 { font-size: 15px; margin: 20px 0 6px; }
p, li { max-width: 74ch; }
.sub { color: var(--soft); margin: 0; overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 10px;
  margin: 18px 0 0; padding: 0; }
.tiles div { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: 10px 12px; }
.tiles dt { color: var(--soft); font-size: 13px; }
.tiles dd { margin: 0; font-size: 21px; font-weight: 600; }
.tiles small { display: block; font-size: 12px; font-weight: 400; color: var(--soft); }
.plot { overflow-x: auto; background: var(--card); border: 1px solid var(--line);
  border-radius: 8px; padding: 12px; }
svg { display: block; width: 100%; min-width: 560px; height: auto; font-family: inherit; }
svg.map { margin: 0 auto; }
svg text { fill: var(--ink); }
.tick { font-size: 12px; } svg .tick { fill: var(--soft); }
.name { font-size: 13px; font-weight: 500; }
.grid { stroke: var(--line); stroke-width: 1; }
.whisker { stroke: var(--soft); stroke-width: 1.5; }
.box { fill: color-mix(in srgb, var(--hot) calc(var(--heat) * 100%), var(--box));
  stroke: var(--soft); }
.edge-box { fill: var(--page); stroke: var(--soft); }
.arrow { fill: none; stroke: var(--c-cancelled); opacity: .8; }
.tip { fill: var(--c-cancelled); }
svg .halo { fill: var(--ink); paint-order: stroke; stroke: var(--card); stroke-width: 4px; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 8px 0 0;
  padding: 0; font-size: 13px; color: var(--soft); }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 2px;
  margin-right: 6px; }
.table { overflow-x: auto; margin-top: 10px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { text-align: left; padding: 5px 10px 5px 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { color: var(--soft); font-weight: 500; white-space: nowrap; }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
code { font: 13px/1.4 ui-monospace, "Liberation Mono", monospace; overflow-wrap: anywhere; }
footer { margin-top: 40px; color: var(--soft); font-size: 13px; }
.legend i { print-color-adjust: exact; }
@media print { :root { color-scheme: light; } .plot, tr { break-inside: avoid; }
  h2 { break-after: avoid; } main { max-width: none; padding: 0; } }
"""
