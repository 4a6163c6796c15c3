"""The leaderboard: a Streamlit app that reads a results file and writes no score to it.

It imports ``harness.store``, ``harness.statistics``, ``harness.types`` and ``harness.errors``, and
for what differs between runs ``harness.compare``, ``comparability`` and ``selection``, which only
read; the suites are from ``harness.registry``.

    __main__.py      serves the pages, with what the first visitor needs read beforehand
    app.py           entry of ``streamlit run``: the pages and their navigation
    source.py        what is read from the results file, and when
    ranking.py       measured and published models in one order, averages, ranks (no drawing)
    families.py      which model was made from which, and what it gained (no drawing)
    table.py         that order as an HTML table (no drawing)
    chart.py         both as Plotly figures (no drawing)
    ranking_page.py  draws the ranking
    samples_page.py  draws the samples of one run
    compare_page.py  draws runs side by side
    flips.py         draws which items flipped, and both answers beside each other
    comparing.py     comparisons in words, tables and a figure (no drawing)
    training_page.py draws trainings; training.py their figures and tables (no drawing)
    review.py        draws the review queue of critiques
    gate_page.py     draws the gate's decisions; gate.py their texts and figure (no drawing)
    engine_page.py   draws the sittings; engine.py their figures and table (no drawing)
    figures.py       what figures and their legends have in common (no drawing)
    grid.py          tables and lists of facts as HTML (no drawing)
    prose.py         draws a text somebody else wrote, its formulas as formulas
    mathtext.py      which parts of foreign text may be drawn as formulas (no drawing)
    text.py          what makes foreign text safe to show, and numbers readable
"""
