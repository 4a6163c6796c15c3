"""The leaderboard: a Streamlit app that reads a results file and writes no score to it.

It imports ``harness.store``, ``harness.statistics``, ``harness.types``, ``harness.text`` and
``harness.errors``; for what differs between runs ``harness.analysis``, which only reads; and for
the suites ``harness.registry``.

    __main__.py      serves the pages, with what the first visitor needs read beforehand
    app.py           entry of ``streamlit run``: the pages and their navigation
    source.py        what is read from the results file, and when
    ranking.py       measured and published models in one order, averages, ranks (no drawing)
    model_lineage.py which model was made from which, and what it gained (no drawing)
    ranking_table.py the ranking as an HTML table (no drawing)
    chart.py         both as Plotly figures (no drawing)
    ranking_page.py  draws the ranking
    samples_page.py  draws the samples of one run
    compare_page.py  draws comparisons of runs; compare_flips.py the items that flipped;
                     compare_tables.py their verdicts, tables and figure (no drawing)
    training_page.py draws trainings; training.py their figures and tables (no drawing)
    review.py        draws the review queue of critiques
    gate_page.py     draws the gate's decisions; gate.py their texts and figure (no drawing)
    engine_page.py   draws the sessions; engine.py their figures and table (no drawing)
    figures.py       what figures and their legends have in common (no drawing)
    html_table.py    tables and lists of facts as HTML (no drawing)
    formatted_text.py draws untrusted text, as source or with its formulas
    cached_queries.py store queries, cached until the file changes, and refreshed page parts
    error_card.py    an error and its remedy as a page part
    mathtext.py      which parts of untrusted text may be drawn as formulas (no drawing)
    text.py          escapes and shortens untrusted text; numbers are written by harness.text
"""
