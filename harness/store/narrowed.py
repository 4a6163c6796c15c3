"""The samples of a few runs, read without reading the large tables whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


def quoted(text: str) -> str:
    """Make a text safe inside a quoted literal: macros take no parameters."""
    return text.replace("'", "''")


def sample_of(
    connection: DuckDBPyConnection,
    run_ids: Sequence[str],
    profile: str,
    *,
    only: str = "",
    requests: str = "request",
) -> str:
    """Return a ``WITH`` clause that names the samples of these runs ``sample``.

    It has the columns of the view of that name (``views.sql``), and the same rows. But the view
    would look for the newest grades of everything there is, and read every text on its way: here
    the grades are narrowed to the runs first, and where the runs are tallied only that part of the
    large tables is touched in which their rows are, by DuckDB's minima and maxima of the times.
    Beside it stands ``disagreeing``: keys and golds that two profiles judge differently.

    Args:
        connection: Of :meth:`Store.read`.
        run_ids: The runs' whole ids.
        profile: Whose grades to take.
        only: A condition on ``request`` that narrows them further, as SQL.
        requests: A table like ``request`` to take them from, for instance of these runs alone.
    """
    ids = literals(run_ids)
    finished, graded = spans(connection, run_ids)
    return f"""
WITH asked AS MATERIALIZED (
    SELECT run_id, item_id, gold_id, sample_index, key FROM {requests}
    WHERE run_id IN ({ids}){f" AND ({only})" if only else ""}
),
newest AS MATERIALIZED (
    SELECT * FROM grade
    WHERE profile = '{quoted(profile)}' AND key IN (SELECT key FROM asked){graded}
    QUALIFY row_number()
        OVER (PARTITION BY key, gold_id ORDER BY {NEWEST_FIRST}) = 1
),
disagreeing AS NOT MATERIALIZED (
    SELECT key, gold_id FROM (
        SELECT key, gold_id, correct FROM grade WHERE key IN (SELECT key FROM asked){graded}
        QUALIFY row_number()
            OVER (PARTITION BY key, gold_id, profile ORDER BY {NEWEST_FIRST}) = 1)
    GROUP BY key, gold_id HAVING count(DISTINCT correct) > 1
),
came AS NOT MATERIALIZED (
    SELECT * FROM generation WHERE key IN (SELECT key FROM asked){finished}
),
sample AS NOT MATERIALIZED (
    SELECT q.run_id, r.model, r.task, r.restricted, q.item_id, q.sample_index, q.key,
           i.ordinal, i.question, i.gold, i.gold_id, i.answer_type, i.tolerance_absolute,
           i.tolerance_relative, i.subject, i.level, i.scorer,
           g.thought, g.answer, g.finish_reason, g.truncated, g.loop,
           g.prompt_tokens, g.completion_tokens, g.seconds, g.finished_at,
           d.profile, d.grader_version, d.correct, d.status, d.extracted, d.extraction, d.method
    FROM asked q
    JOIN run r ON r.id = q.run_id
    JOIN item i ON i.task = r.task AND i.data_sha256 = r.data_sha256 AND i.id = q.item_id
        AND i.gold_id = q.gold_id
    LEFT JOIN came g ON g.key = q.key
    LEFT JOIN newest d ON d.key = q.key AND d.gold_id = i.gold_id
)
"""


def literals(texts: Iterable[str]) -> str:
    """Return texts as the inside of an SQL list; one that holds nothing is never equal."""
    return ", ".join(f"'{quoted(text)}'" for text in texts) or "NULL"


def spans(connection: DuckDBPyConnection, run_ids: Sequence[str]) -> tuple[str, str]:
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
        return " AND false"  # tallied, and there are none
    return f" AND {column} BETWEEN TIMESTAMPTZ '{first}' AND TIMESTAMPTZ '{last}'"
