"""Samples as a table, one row each: Parquet or CSV, straight from the results file.

DuckDB copies them, so that no row passes through Python and a run of millions needs no memory.
Parquet holds texts exactly. In CSV a text that a spreadsheet would run as a formula (it begins with
``=``, ``+``, ``-``, ``@``, a tab or a line break) gets an apostrophe before it, whatever a model
or somebody else's log has written there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.errors import HarnessError
from harness.store import Store
from harness.store.queries import RunSummary
from harness.store.sample_scan import literals, newest_grades, quoted
from harness.types import SOURCE_PROFILE

# Columns in their order; of restricted runs those in the second group stay empty.
_OPEN = (
    "run_id", "model", "fingerprint", "task", "item_id", "sample_index", "subject", "level",
    "answer_type",
)  # fmt: skip
_SECRET = ("question", "gold", "thought", "answer", "extracted")
_TEXTS = frozenset(
    {
        "engine", "finish_reason", "grader_version", "item_id", "level", "model", "source_made_by",
        "subject", "task", *_SECRET,
    }
)  # fmt: skip
_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
_PACKED = frozenset({*_COMPRESSIONS, ".bz2", ".xz", ".zip"})
_JUDGED = (
    "profile", "grader_version", "correct", "status", "extraction", "method", "source_correct",
    "source_made_by", "human_correct",
)  # fmt: skip
_MADE = (
    "finish_reason", "truncated", "loop", "prompt_tokens", "completion_tokens", "thought_tokens",
    "seconds", "finished_at", "restricted", "engine", "protocol_sha256", "run_complete",
)  # fmt: skip

_ROWS = """
WITH asked AS (
    SELECT q.run_id, q.item_id, q.gold_id, q.sample_index, q.key, r.task, r.data_sha256,
           r.restricted, r.protocol_sha256, r.backend || ' ' || r.engine_version AS engine,
           m.name AS model, m.fingerprint
    FROM request q JOIN run r ON r.id = q.run_id JOIN model m ON m.fingerprint = r.model
    WHERE q.run_id IN ({runs})),
newest AS (
    SELECT d.* FROM grade d SEMI JOIN asked a ON a.key = d.key AND a.gold_id = d.gold_id
    WHERE d.profile IN ('{profile}', '{source}')
    {newest_grades}),
said AS (
    SELECT h.* FROM human_label h SEMI JOIN asked a ON a.key = h.key AND a.gold_id = h.gold_id
    QUALIFY row_number() OVER (PARTITION BY h.key, h.gold_id ORDER BY h.labelled_at DESC) = 1),
rows AS (
    SELECT a.run_id, coalesce(a.run_id IN ({complete}), false) AS run_complete,
           a.model, a.fingerprint, a.task, a.item_id, a.sample_index, a.engine,
           a.protocol_sha256, a.restricted OR coalesce(g.restricted, false) AS restricted,
           i.ordinal, i.question, i.gold, i.answer_type, i.subject, i.level,
           g.thought, g.answer, g.finish_reason, g.truncated, g.loop, g.prompt_tokens,
           g.completion_tokens, g.thought_tokens, g.seconds, g.finished_at,
           '{profile}' AS profile, d.grader_version, d.correct, d.status, d.extracted,
           d.extraction, d.method, s.correct AS source_correct, s.grader_version AS source_made_by,
           h.correct AS human_correct
    FROM asked a
    JOIN item i ON i.task = a.task AND i.data_sha256 = a.data_sha256 AND i.id = a.item_id
        AND i.gold_id = a.gold_id
    JOIN generation g ON g.key = a.key
    LEFT JOIN newest d ON d.key = a.key AND d.gold_id = a.gold_id AND d.profile = '{profile}'
    LEFT JOIN newest s ON s.key = a.key AND s.gold_id = a.gold_id AND s.profile = '{source}'
    LEFT JOIN said h ON h.key = a.key AND h.gold_id = a.gold_id)
SELECT {columns} FROM rows ORDER BY run_id, ordinal, sample_index
"""


def compression(path: Path, form: str) -> str:
    """Return how a file of this name is packed, in DuckDB's words.

    Raises:
        HarnessError: Its name promises what nothing here writes.
    """
    ending = path.suffix.lower()
    if form == "csv" and ending in _COMPRESSIONS:
        return _COMPRESSIONS[ending]
    if ending in _PACKED:
        raise HarnessError(
            f"{path.name} would not be packed as its name says.",
            "Of the formats, csv can be written as .gz or .zst; parquet is packed in itself.",
        )
    return "none"


def write(
    store: Store,
    runs: Sequence[RunSummary],
    path: Path,
    form: str,
    profile: str,
    packed: str = "none",
) -> int:
    """Write the samples of these runs that have come back, and return how many there are.

    Args:
        store: The results file; it is held for reading until all is written.
        runs: The runs.
        path: Where to; replaced.
        form: ``parquet`` or ``csv``.
        profile: Whose grades to write, in addition to those that imported responses came with.
        packed: How a CSV file is packed, from :func:`compression`.

    Raises:
        OSError: The file cannot be written.
    """
    import duckdb

    rows = _ROWS.format(
        runs=literals(run.id for run in runs),
        complete=literals(run.id for run in runs if run.complete),
        profile=quoted(profile),
        source=SOURCE_PROFILE,
        newest_grades=newest_grades("d.key, d.gold_id, d.profile"),
        columns=", ".join(_column(name, form) for name in (*_OPEN, *_SECRET, *_JUDGED, *_MADE)),
    )
    options = (
        "FORMAT parquet, COMPRESSION zstd"
        if form == "parquet"
        else f"FORMAT csv, HEADER true, COMPRESSION {packed}"
    )
    path = path.absolute()
    with store.read(output=path) as connection:
        try:
            copied = connection.execute(f"COPY ({rows}) TO '{quoted(str(path))}' ({options})")
        except duckdb.IOException as error:
            if path.name not in str(error):
                raise
            # Not the results file's fault, as which the store would tell it.
            raise OSError(str(error).rpartition(": ")[2]) from error
        (count,) = copied.fetchone() or (0,)
    return int(count)


def _column(name: str, form: str) -> str:
    value = f"CASE WHEN restricted THEN NULL ELSE {name} END" if name in _SECRET else name
    if form == "csv" and name in _TEXTS:
        dangerous = "'^[=+\\-@\\t\\r\\n]'"
        value = (
            f"CASE WHEN regexp_matches({value}, {dangerous}) THEN '''' || {value} ELSE {value} END"
        )
    return f"{value} AS {name}"
