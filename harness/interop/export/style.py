"""The CSS of the HTML report."""

STYLE = """
:root {
  color-scheme: light dark;
  --text: #1f2328; --faint: #57606a; --page: #ffffff; --band: #f5f7f9; --line: #d0d7de;
  --measured: #0b62a8; --imported: #7a4b00; --published: #57606a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --text: #e6e8eb; --faint: #a3adb8; --page: #14171a; --band: #1f2428; --line: #3a424a;
    --measured: #5aa9e6; --imported: #e0a84a; --published: #a3adb8;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif;
}
main { max-width: 1400px; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.75rem; margin: 0.5rem 0; }
h2 { font-size: 1.35rem; margin: 2rem 0 0.5rem; overflow-wrap: anywhere; }
h3 { font-size: 1rem; margin: 1rem 0 0.25rem; overflow-wrap: anywhere; }
h4 { font-size: 0.85rem; margin: 0.5rem 0 0; color: var(--faint); font-weight: 600; }
small, .note { font-size: 0.85rem; color: var(--faint); }
.doubt { color: var(--imported); }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 0.35rem 0.6rem; text-align: right; white-space: nowrap; vertical-align: top; }
thead th { background: var(--band); font-size: 0.85rem; vertical-align: bottom; }
tbody tr + tr { border-top: 1px solid var(--line); }
th[scope=row], th:first-child {
  text-align: left; white-space: normal; overflow-wrap: anywhere; min-width: 12rem;
  position: sticky; left: 0; background: var(--page);
}
thead th:first-child { background: var(--band); }
tr.published th { font-weight: 400; }
td.source {
  text-align: left; white-space: normal; min-width: 16rem; font-size: 0.85rem; color: var(--faint);
}
thead th:last-child { text-align: left; }
.tag {
  display: inline-block; padding: 0 0.4rem; border-radius: 4px; font-size: 0.75rem;
  border: 1px solid; white-space: nowrap;
}
.tag.measured { color: var(--measured); }
.tag.imported { color: var(--imported); border-style: dashed; }
.tag.published { color: var(--published); border-style: dotted; }
svg { width: 11rem; height: 1.3rem; vertical-align: middle; }
svg .grid { stroke: var(--line); stroke-width: 0.6; }
svg .reach { stroke-width: 1.6; }
svg.measured .reach { stroke: var(--measured); }
svg.imported .reach { stroke: var(--imported); }
svg.published .reach { stroke: var(--published); stroke-dasharray: 3 2; }
svg.measured .dot { fill: var(--measured); }
svg.imported .dot { fill: var(--imported); }
svg.published .dot { fill: var(--page); stroke: var(--published); }
details { margin: 0.5rem 0; }
summary { cursor: pointer; overflow-wrap: anywhere; }
pre {
  margin: 0.25rem 0; padding: 0.5rem; background: var(--band); border-radius: 6px;
  white-space: pre-wrap; overflow-wrap: anywhere; max-height: 24rem; overflow-y: auto;
}
@media (max-width: 600px) {
  th[scope=row], th:first-child { min-width: 7rem; max-width: 9rem; }
}
"""
