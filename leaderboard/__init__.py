"""The leaderboard: a Streamlit app that reads a results file and writes no score to it.

It imports ``harness.store``, ``harness.statistics``, ``harness.types`` and ``harness.errors``, and
for what differs between runs ``harness.compare``, ``comparability`` and ``selection``, which only
read; the suites are from ``harness.registry``.

    app.py           entry of ``streamlit run``: the pages and their navigation
    source.py        what is read from the results file, and when
    ranking.py       measured and published models in one order, averages, ranks (no drawing)
    families.py      which model was made from which, and what it gained (no drawing)
    table.py         that order as an HTML table (no drawing)
    chart.py         both as Plotly figures (no drawing)
    ranking_page.py  draws the ranking
    samples_page.py  draws the samples of one run
    compare_page.py  draws runs side by side
    comparing.py     comparisons in words, tables and a figure (no drawing)
    prose.py         draws a text somebody else wrote, its formulas as formulas
    mathtext.py      which parts of foreign text may be drawn as formulas (no drawing)
    text.py          what makes foreign text safe to show, and numbers readable
"""
