"""What the rows of each run come to, kept so that a list of many runs need not read them all.

A tally is derived and never trusted further than it can be: it is made from the rows when a writer
has finished, dropped in the very transaction that brings new rows of its run, and where it is
absent the rows are counted instead. :func:`differing` counts them all the same, and compares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from harness.store.narrowed import NEWEST_FIRST, literals, quoted
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


def counted(run_ids: Sequence[str], profile: str = DEFAULT_PROFILE) -> str:
    """Return SQL that counts the rows of these runs, with the columns of ``run_tally``.

    There is one row for each profile that has judged anything of a run, and one for ``profile`` and
    the default one, whether or not they have.
    """
    return f"""
WITH asked AS MATERIALIZED (
    SELECT q.run_id, q.item_id, q.gold_id, q.key, i.ordinal
    FROM (SELECT * FROM request WHERE run_id IN ({literals(run_ids)})) q
    JOIN run r ON r.id = q.run_id
    JOIN item i ON i.task = r.task AND i.data_sha256 = r.data_sha256 AND i.id = q.item_id
        AND i.gold_id = q.gold_id
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
    QUALIFY row_number()
        OVER (PARTITION BY key, gold_id, profile ORDER BY {NEWEST_FIRST}) = 1
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
           count(*) FILTER (WHERE d.status IN ('timeout', 'memory', 'crash')) AS undecided,
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
SELECT run_id, profile, (count(*) FILTER (WHERE samples > 0))::INTEGER AS items,
       sum(samples)::BIGINT AS samples, sum(generated)::BIGINT AS generated,
       sum(correct)::BIGINT AS correct, avg(correct / nullif(samples, 0)) AS mean,
       coalesce(var_samp(correct / nullif(samples, 0)), 0) AS variance,
       avg(least(samples, correct + undecided) / nullif(samples, 0)) AS upper_mean,
       max(samples) AS most_samples, sum(undecided)::BIGINT AS undecided,
       sum(truncated)::BIGINT AS truncated, sum(no_answer)::BIGINT AS no_answer,
       sum(loops)::BIGINT AS loops, sum(completion_tokens)::BIGINT AS completion_tokens,
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


def count_others(connection: DuckDBPyConnection, profile: str, where: str) -> None:
    """Count the rows of the runs without a tally, into the temporary table ``counted``.

    Args:
        connection: Of :meth:`Store.read`.
        profile: The tallies of this profile are looked for.
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
            f"INSERT INTO counted BY NAME SELECT * FROM ({counted(some, profile)})"
            f" WHERE profile = '{quoted(profile)}'"
        )


def refresh(
    store: Store,
    run_ids: Sequence[str] | None = None,
    told: Callable[[int, int], None] = lambda done, of: None,
) -> int:
    """Make the tallies that are missing, and return of how many runs.

    Args:
        store: The results file.
        run_ids: Only of these runs; of all if ``None``.
        told: Called with how many of how many runs are done; the file is let go of meanwhile.
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
            connection.execute(f"INSERT INTO run_tally BY NAME {counted(some)}")
        done += len(some)
        told(done, len(missing))
    return len(missing)


def rebuild(
    store: Store,
    run_ids: Sequence[str] | None = None,
    told: Callable[[int, int], None] = lambda done, of: None,
) -> int:
    """Make the tallies of these runs, or of all, anew from the rows; see :func:`refresh`."""
    with store.write() as connection:
        if run_ids is None:
            connection.execute("DELETE FROM run_tally")
        else:
            _drop(connection, run_ids)
    return refresh(store, run_ids, told)


def differing(store: Store, run_ids: Sequence[str] | None = None) -> list[str]:
    """Return the runs, of these or of all, whose tallies are not what their rows come to."""
    chosen = "" if run_ids is None else f" WHERE run_id IN ({literals(run_ids)})"
    found: list[str] = []
    with store.read() as connection:
        rows = connection.execute(f"SELECT DISTINCT run_id FROM run_tally{chosen}").fetchall()
        for some in _batched(sorted(row[0] for row in rows)):
            rounded = [f"round({name}, 9)" for name in _FRACTIONS]
            exact = f"SELECT {', '.join((*_COLUMNS, *rounded))} FROM"
            kept = f"{exact} run_tally WHERE run_id IN ({literals(some)})"
            anew = f"{exact} ({counted(some)})"
            rows = connection.execute(
                f"SELECT DISTINCT run_id FROM (((({kept}) EXCEPT ({anew})))"
                f" UNION ALL ((({anew}) EXCEPT ({kept}))))"
            ).fetchall()
            found += [row[0] for row in rows]
    return sorted(found)


def _drop(connection: DuckDBPyConnection, run_ids: Sequence[str]) -> None:
    connection.execute(f"DELETE FROM run_tally WHERE run_id IN ({literals(run_ids)})")


def _batched(run_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(run_ids), _AT_ONCE):
        yield run_ids[start : start + _AT_ONCE]
