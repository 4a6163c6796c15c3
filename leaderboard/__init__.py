"""The leaderboard: a Streamlit app that reads a results file and never writes to it.

It imports ``harness.store``, ``harness.statistics``, ``harness.types`` and ``harness.errors`` only.

    app.py           entry of ``streamlit run``: the pages and their navigation
    source.py        what is read from the results file, and when
    ranking.py       measured and published models of one task in one order (no drawing)
    table.py         that order as an HTML table (no drawing)
    chart.py         that order as a Plotly figure (no drawing)
    ranking_page.py  draws the ranking
    samples_page.py  draws the samples of one run
    text.py          what makes foreign text safe to show, and numbers readable
"""
