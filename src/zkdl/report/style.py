"""The style sheet of the report: system fonts, light and dark, one column on a phone."""

STYLE = """
:root { color-scheme: light dark; --ink: #1b1d21; --soft: #5c626c; --paper: #fcfcfa; --panel: #f2f2ee; --rule: #dcdcd6;
  --good: #17663a; --bad: #b3161f; --warn: #8a5a00; --integer: #0b5cad; --float: #c2571a;
  --c0: #0b5cad; --c1: #d98a1f; --c2: #2a8f6a; --c3: #b5478f; --c4: #6a5acd; --c5: #a8a032; --c6: #4aa3d8; --c7: #8c8c8c;
  --c8: #a3412f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e4; --soft: #a3a8b0; --paper: #16181b; --panel: #1f2226;
  --rule: #363a40; --good: #62c88d; --bad: #ff7b78; --warn: #e9b44c; --integer: #6cb2f5; --float: #f0a06a;
  --c0: #5aa7f0; --c1: #edb05a; --c2: #55c39a; --c3: #de83bf; --c4: #a59bf0; --c5: #cfc75f; --c6: #86cdf2; --c7: #a0a0a0;
  --c8: #e07f6d; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 17px/1.55 system-ui, sans-serif;
  -webkit-text-size-adjust: 100%; }
main { max-width: 47rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: .2rem 0 1rem; text-wrap: balance; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 3rem 0 .6rem; padding-top: .9rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1rem; margin: 1.6rem 0 .4rem; }
p, ul { margin: 0 0 .9rem; }
ul { padding-left: 1.2rem; }
li { margin-bottom: .3rem; overflow-wrap: anywhere; }
.kicker, .quiet, figcaption { color: var(--soft); }
.kicker { font-size: .85rem; letter-spacing: .04em; text-transform: uppercase; margin: 0; }
.quiet, figcaption { font-size: .9rem; }
.lead { font-size: 1.08rem; overflow-wrap: anywhere; }
.status { border: 1px solid; border-left-width: .5rem; border-radius: .4rem; padding: .8rem 1rem; margin: 1rem 0;
  background: var(--panel); }
.status strong { display: block; font-size: 1.15rem; letter-spacing: .02em; }
.status span { color: var(--ink); overflow-wrap: anywhere; }
.good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); }
code, pre { font: .86em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
code { overflow-wrap: anywhere; }
pre { background: var(--panel); border: 1px solid var(--rule); border-radius: .4rem; padding: .8rem 1rem; overflow-x: auto; }
.scroll { overflow-x: auto; margin: .4rem 0 1rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .35rem .9rem .35rem 0; border-bottom: 1px solid var(--rule); }
th { font-weight: 600; color: var(--soft); }
th:last-child, td:last-child { padding-right: 0; }
.n { text-align: right; white-space: nowrap; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: 1.2rem; }
figure { margin: .6rem 0; } figcaption { margin-bottom: .3rem; }
.chart svg { display: block; width: 100%; height: auto; }
.chart text { fill: var(--soft); font: 11px system-ui, sans-serif; }
.chart text.y { text-anchor: end; } .chart text.x { text-anchor: middle; }
.grid { stroke: var(--rule); stroke-width: 1; }
polyline { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
polyline.integer { stroke: var(--integer); } polyline.float { stroke: var(--float); stroke-dasharray: 5 3; }
circle.integer { fill: var(--integer); } circle.float { fill: var(--float); }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .15rem 1.1rem; padding: 0; margin: .4rem 0 1rem;
  font-size: .85rem; }
.legend li { margin: 0; }
.key { display: inline-block; width: .85rem; height: .7rem; border-radius: .15rem; margin-right: .4rem; }
.key.integer { height: .2rem; vertical-align: middle; background: var(--integer); }
.key.float { height: .2rem; vertical-align: middle;
  background: repeating-linear-gradient(90deg, var(--float) 0 5px, transparent 5px 7px); }
.bar { display: block; width: 100%; height: .95rem; background: var(--panel); border-radius: .15rem; }
td .bar { min-width: 7rem; margin-top: .25rem; }
.c0 { fill: var(--c0); background: var(--c0); } .c1 { fill: var(--c1); background: var(--c1); }
.c2 { fill: var(--c2); background: var(--c2); } .c3 { fill: var(--c3); background: var(--c3); }
.c4 { fill: var(--c4); background: var(--c4); } .c5 { fill: var(--c5); background: var(--c5); }
.c6 { fill: var(--c6); background: var(--c6); } .c7 { fill: var(--c7); background: var(--c7); }
.c8 { fill: var(--c8); background: var(--c8); }
details { margin: .5rem 0; } summary { cursor: pointer; }
@media (max-width: 34rem) { body { font-size: 16px; } main { padding: 1.4rem 1rem 3rem; } h1 { font-size: 1.5rem; } }
@media print { body { background: none; } details > * { display: block; } }
"""
