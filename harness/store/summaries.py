"""Materialised summaries of runs, so that a list of many runs need not read all of their rows.

A summary (a row of ``run_tally``) is derived: it is computed from the rows when a writer has
finished, dropped in the transaction that brings new rows of its run, and computed on read where it
is absent. :func:`verify` compares it with the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from harness.store.sample_scan import (
    GRADER_FAILED,
    ITEM_JOIN,
    RUN_STATISTICS,
    literals,
    newest_grades,
    quoted,
)
from harness.store.store import Store
from harness.types import DEFAULT_PROFILE

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_COLUMNS = (
    "run_id", "profile", "items", "samples", "generated", "correct", "most_samples", "undecided",
    "truncated", "no_answer", "loops", "completion_tokens", "grader_versions", "first_finished_at",
    "last_finished_at", "first_graded_at", "last_graded_at", "item_set", "item_samples",
    "item_correct",
)  # fmt: skip
# Sums of fractions depend on the order they are added in, in their last digits.
_FRACTIONS = ("mean", "variance", "upper_mean")
# Runs counted in one go: DuckDB's memory grows with them, the number of scans falls.
_AT_ONCE = 100


def summary_query(run_ids: Sequence[str], profile: str = DEFAULT_PROFILE) -> str:
    """Return SQL that counts the rows of these runs, with the columns of ``run_tally``.

    There is one row for each profile that has judged anything of a run, and one for ``profile`` and
    the default one, whether or not they have.
    """
    return f"""
WITH asked AS MATERIALIZED (
    SELECT q.run_id, q.item_id, q.gold_id, q.key, i.ordinal
    FROM (SELECT * FROM request WHERE run_id IN ({literals(run_ids)})) q
    {ITEM_JOIN}
),
came AS MATERIALIZED (
    SELECT key, truncated, loop, completion_tokens, finished_at FROM generation
    WHERE key IN (SELECT key FROM asked)
),
newest AS MATERIALIZED (
    SELECT key, gold_id, profile, grader_version, correct, status, graded_at,
           min(graded_at) OVER same AS first_graded_at, max(graded_at) OVER same AS last_graded_at
    FROM grade WHERE key IN (SELECT key FROM asked)
    WINDOW same AS (PARTITION BY key, gold_id, profile)
    {newest_grades()}
),
judging AS (
    SELECT DISTINCT q.run_id, d.profile
    FROM asked q JOIN newest d ON d.key = q.key AND d.gold_id = q.gold_id
    UNION SELECT DISTINCT run_id, unnest(['{quoted(profile)}', '{DEFAULT_PROFILE}']) FROM asked
),
by_item AS (
    SELECT q.run_id, p.profile, q.item_id, any_value(q.gold_id) AS gold_id,
           any_value(q.ordinal) AS ordinal,
           count(d.correct) FILTER (WHERE g.key IS NOT NULL)::INTEGER AS samples,
           count(g.key) AS generated,
           count(*) FILTER (WHERE d.correct AND g.key IS NOT NULL)::INTEGER AS correct,
           count(*) FILTER (WHERE d.{GRADER_FAILED}) AS undecided,
           count(*) FILTER (WHERE g.truncated) AS truncated,
           count(*) FILTER (WHERE d.status = 'no_answer') AS no_answer,
           count(*) FILTER (WHERE g.loop) AS loops,
           coalesce(sum(g.completion_tokens), 0)::BIGINT AS completion_tokens,
           list(DISTINCT d.grader_version) FILTER (WHERE d.correct IS NOT NULL) AS versions,
           min(g.finished_at) AS first_finished_at, max(g.finished_at) AS last_finished_at,
           min(d.first_graded_at) AS first_graded_at, max(d.last_graded_at) AS last_graded_at
    FROM asked q
    JOIN judging p ON p.run_id = q.run_id
    LEFT JOIN came g ON g.key = q.key
    LEFT JOIN newest d ON d.key = q.key AND d.gold_id = q.gold_id AND d.profile = p.profile
    GROUP BY q.run_id, p.profile, q.item_id
)
SELECT run_id, profile, {RUN_STATISTICS},
       coalesce(list_sort(list_distinct(flatten(list(versions) FILTER (WHERE versions IS NOT NULL)
           ))), []) AS grader_versions,
       min(first_finished_at) AS first_finished_at, max(last_finished_at) AS last_finished_at,
       min(first_graded_at) AS first_graded_at, max(last_graded_at) AS last_graded_at,
       md5(string_agg(item_id || ' ' || gold_id, chr(10) ORDER BY ordinal, item_id)
           FILTER (WHERE samples > 0)) AS item_set,
       coalesce(list(samples ORDER BY ordinal, item_id) FILTER (WHERE samples > 0), [])
           AS item_samples,
       coalesce(list(correct ORDER BY ordinal, item_id) FILTER (WHERE samples > 0), [])
           AS item_correct
FROM by_item GROUP BY run_id, profile
"""


def compute_missing(connection: DuckDBPyConnection, profile: str, where: str) -> None:
    """Count the rows of the runs without a summary, into the temporary table ``counted``.

    Args:
        connection: Of :meth:`Store.read`.
        profile: Whose summaries are looked for.
        where: Narrows the runs ``r``, as an SQL clause; empty for all.
    """
    rows = connection.execute(
        "SELECT r.id FROM run r ANTI JOIN"
        f" (SELECT run_id FROM run_tally WHERE profile = '{quoted(profile)}') t"
        f" ON t.run_id = r.id{where}"
    ).fetchall()
    connection.execute("CREATE TEMP TABLE counted AS SELECT * FROM run_tally LIMIT 0")
    for some in _batched([row[0] for row in rows]):
        connection.execute(
            f"INSERT INTO counted BY NAME SELECT * FROM ({summary_query(some, profile)})"
            f" WHERE profile = '{quoted(profile)}'"
        )


def refresh(
    store: Store,
    run_ids: Sequence[str] | None = None,
    on_progress: Callable[[int, int], None] = lambda done, of: None,
) -> int:
    """Compute the summaries that are missing, and return of how many runs.

    Args:
        store: The results file.
        run_ids: Only of these runs; of all if ``None``.
        on_progress: Called with how many of how many runs are done, while the file is closed.
    """
    chosen = "" if run_ids is None else f" WHERE r.id IN ({literals(run_ids)})"
    with store.read() as connection:
        rows = connection.execute(
            f"SELECT r.id FROM run r ANTI JOIN run_tally t ON t.run_id = r.id{chosen}"
            " ORDER BY r.created_at, r.id"
        ).fetchall()
    missing = [row[0] for row in rows]
    done = 0
    for some in _batched(missing):
        with store.write() as connection:
            _drop(connection, some)  # another process may have made them meanwhile
            connection.execute(f"INSERT INTO run_tally BY NAME {summary_query(some)}")
        done += len(some)
        on_progress(done, len(missing))
    return len(missing)


def rebuild(
    store: Store,
    run_ids: Sequence[str] | None = None,
    on_progress: Callable[[int, int], None] = lambda done, of: None,
) -> int:
    """Compute the summaries of these runs, or of all, again from the rows; see :func:`refresh`."""
    with store.write() as connection:
        if run_ids is None:
            connection.execute("DELETE FROM run_tally")
        else:
            _drop(connection, run_ids)
    return refresh(store, run_ids, on_progress)


def verify(store: Store, run_ids: Sequence[str] | None = None) -> list[str]:
    """Return the runs, of these or of all, whose summaries differ from their rows."""
    chosen = "" if run_ids is None else f" WHERE run_id IN ({literals(run_ids)})"
    found: list[str] = []
    with store.read() as connection:
        rows = connection.execute(f"SELECT DISTINCT run_id FROM run_tally{chosen}").fetchall()
        for some in _batched(sorted(row[0] for row in rows)):
            rounded = [f"round({name}, 9)" for name in _FRACTIONS]
            exact = f"SELECT {', '.join((*_COLUMNS, *rounded))} FROM"
            kept = f"{exact} run_tally WHERE run_id IN ({literals(some)})"
            recounted = f"{exact} ({summary_query(some)})"
            rows = connection.execute(
                f"SELECT DISTINCT run_id FROM (((({kept}) EXCEPT ({recounted})))"
                f" UNION ALL ((({recounted}) EXCEPT ({kept}))))"
            ).fetchall()
            found += [row[0] for row in rows]
    return sorted(found)


def _drop(connection: DuckDBPyConnection, run_ids: Sequence[str]) -> None:
    connection.execute(f"DELETE FROM run_tally WHERE run_id IN ({literals(run_ids)})")


def _batched(run_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(run_ids), _AT_ONCE):
        yield run_ids[start : start + _AT_ONCE]
