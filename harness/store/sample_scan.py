"""The SQL of samples, shared by the views and every query, and scans narrowed to a few runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


NEWEST_FIRST = (
    "CASE WHEN regexp_full_match(grader_version, '[0-9]{1,9}')"
    " THEN TRY_CAST(grader_version AS INTEGER) END DESC NULLS LAST,"
    " graded_at DESC, grader_version DESC"
)
"""The order of the grades of one answer by one profile: the first of them counts.

Our own versions are whole numbers, and a later one goes first whatever the clock of the machine
said. What other harnesses judged goes by time."""

GRADER_FAILED = "status IN ('timeout', 'memory', 'crash')"
"""A condition on ``grade``: the grader's infrastructure failed on the answer."""

# How a request finds the item that it asks.
ITEM_JOIN = (
    "JOIN run r ON r.id = q.run_id"
    " JOIN item i ON i.task = r.task AND i.data_sha256 = r.data_sha256 AND i.id = q.item_id"
    " AND i.gold_id = q.gold_id"
)

RUN_STATISTICS = """
    (count(*) FILTER (WHERE samples > 0))::INTEGER AS items,
    sum(samples)::BIGINT AS samples, sum(generated)::BIGINT AS generated,
    sum(correct)::BIGINT AS correct, avg(correct / nullif(samples, 0)) AS mean,
    coalesce(var_samp(correct / nullif(samples, 0)), 0) AS variance,
    avg(least(samples, correct + undecided) / nullif(samples, 0)) AS upper_mean,
    max(samples) AS most_samples, sum(undecided)::BIGINT AS undecided,
    sum(truncated)::BIGINT AS truncated, sum(no_answer)::BIGINT AS no_answer,
    sum(loops)::BIGINT AS loops, sum(completion_tokens)::BIGINT AS completion_tokens
"""
"""Columns that make the sufficient statistics of a run's score out of its items' counts."""


def newest_grades(partition: str = "key, gold_id, profile") -> str:
    """Return the clause that keeps the newest of the grades with equal ``partition``."""
    return f"QUALIFY row_number() OVER (PARTITION BY {partition} ORDER BY {NEWEST_FIRST}) = 1"


def sample_query(*, requests: str, generations: str, grades: str, profile: str = "") -> str:
    """Return the query of samples: a row a request, with its generation and grade or NULLs.

    Args:
        requests: A table like ``request``.
        generations: A table like ``generation``.
        grades: A table like ``grade``, with one grade of an answer by a profile.
        profile: Whose grades to take, as an SQL expression; empty where there is one profile.
    """
    return f"""
SELECT q.run_id, r.model, r.task, r.restricted, q.item_id, q.sample_index, q.key,
       i.ordinal, i.question, i.gold, i.gold_id, i.answer_type, i.tolerance_absolute,
       i.tolerance_relative, i.subject, i.level, i.scorer,
       g.thought, g.answer, g.finish_reason, g.truncated, g.loop,
       g.prompt_tokens, g.completion_tokens, g.seconds, g.finished_at,
       d.profile, d.grader_version, d.correct, d.status, d.extracted, d.extraction, d.method
FROM {requests} q {ITEM_JOIN}
LEFT JOIN {generations} g ON g.key = q.key
LEFT JOIN {grades} d ON d.key = q.key AND d.gold_id = i.gold_id
{f"AND d.profile = {profile}" if profile else ""}
"""


def views() -> str:
    """Return the statements that make the views of a results file (``views.sql``)."""
    script = resources.files("harness.store").joinpath("views.sql").read_text()
    return script.format(
        newest_grades=newest_grades(),
        sample=sample_query(
            requests="request", generations="generation", grades="latest_grade", profile="wanted"
        ),
        grader_failed=GRADER_FAILED,
        run_statistics=RUN_STATISTICS,
    )


def quoted(text: str) -> str:
    """Make a text safe inside a quoted literal: macros take no parameters."""
    return text.replace("'", "''")


def sample_cte(
    connection: DuckDBPyConnection,
    run_ids: Sequence[str],
    profile: str,
    *,
    only: str = "",
    requests: str = "request",
) -> str:
    """Return a ``WITH`` clause that names the samples of these runs ``sample``.

    It has the columns of the view of that name (``views.sql``), and the same rows. But the view
    would look for the newest grades of all runs, and read every text on its way: here the grades
    are filtered by run first, and where the runs have summaries only that part of the large tables
    is scanned that holds their rows, by DuckDB's minima and maxima of the times (zone maps). The
    clause also names ``disagreeing``: keys and reference answers that two
    profiles judge differently.

    Args:
        connection: Of :meth:`Store.read`.
        run_ids: The runs' whole ids.
        profile: Whose grades to take.
        only: A further condition on ``request``, as SQL.
        requests: A table like ``request`` to take them from, for instance of these runs alone.
    """
    ids = literals(run_ids)
    finished, graded = time_ranges(connection, run_ids)
    sample = sample_query(requests="asked", generations="came", grades="newest")
    return f"""
WITH asked AS MATERIALIZED (
    SELECT run_id, item_id, gold_id, sample_index, key FROM {requests}
    WHERE run_id IN ({ids}){f" AND ({only})" if only else ""}
),
newest AS MATERIALIZED (
    SELECT * FROM grade
    WHERE profile = '{quoted(profile)}' AND key IN (SELECT key FROM asked){graded}
    {newest_grades("key, gold_id")}
),
disagreeing AS NOT MATERIALIZED (
    SELECT key, gold_id FROM (
        SELECT key, gold_id, correct FROM grade WHERE key IN (SELECT key FROM asked){graded}
        {newest_grades()})
    GROUP BY key, gold_id HAVING count(DISTINCT correct) > 1
),
came AS NOT MATERIALIZED (
    SELECT * FROM generation WHERE key IN (SELECT key FROM asked){finished}
),
sample AS NOT MATERIALIZED ({sample})
"""


def literals(texts: Iterable[str]) -> str:
    """Return texts as the inside of an SQL list; one that holds nothing is never equal."""
    return ", ".join(f"'{quoted(text)}'" for text in texts) or "NULL"


def time_ranges(connection: DuckDBPyConnection, run_ids: Sequence[str]) -> tuple[str, str]:
    """Return conditions on ``generation`` and on ``grade`` that hold for all rows of these runs.

    They begin with AND, and are empty where the times of the rows are not known.
    """
    row = connection.execute(
        "SELECT count(DISTINCT run_id), min(first_finished_at), max(last_finished_at),"
        " min(first_graded_at), max(last_graded_at)"
        f" FROM run_tally WHERE run_id IN ({literals(run_ids)})"
    ).fetchone()
    if row is None or row[0] != len(set(run_ids)):
        return "", ""
    return _between("finished_at", *row[1:3]), _between("graded_at", *row[3:5])


def _between(column: str, first: object, last: object) -> str:
    if first is None or last is None:
        return " AND false"  # the summaries know of none
    return f" AND {column} BETWEEN TIMESTAMPTZ '{first}' AND TIMESTAMPTZ '{last}'"
