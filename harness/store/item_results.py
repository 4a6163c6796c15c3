"""Per-item and per-sample results of a run: the input of comparisons and of the gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.store.sample_scan import GRADER_FAILED, sample_cte
from harness.store.store import Store
from harness.types import DEFAULT_PROFILE, Status


@dataclass(frozen=True, slots=True)
class ItemResult:
    """One item of a run, over its graded samples.

    Attributes:
        item_id: The item.
        gold_id: What it was judged by; two runs share an item only if this is equal too.
        subject: The source's own topic.
        level: The source's own difficulty.
        samples: Graded samples.
        correct: How many of them were right.
        truncated: How many ran out of budget.
        no_answer: How many gave no answer.
        loops: How many end in a repetition.
        failures: How many the grader's infrastructure failed on.
        completion_tokens: New tokens over the samples; 0 where nobody counted.
    """

    item_id: str
    gold_id: str
    subject: str
    level: str
    samples: int
    correct: int
    truncated: int
    no_answer: int
    loops: int
    failures: int
    completion_tokens: int

    @property
    def score(self) -> float:
        """Share of right samples, in [0, 1]."""
        return self.correct / self.samples


@dataclass(frozen=True, slots=True)
class SampleResult:
    """One judged sample of a run, without its text.

    Attributes:
        run_id: The run.
        item_id: The item.
        sample_index: 0-based among the samples of the item.
        correct: Whether the answer equals the gold.
        status: What became of the grading.
        truncated: It ran out of budget.
        loop: It ends in a repetition.
        completion_tokens: New tokens; 0 where nobody counted.
    """

    run_id: str
    item_id: str
    sample_index: int
    correct: bool
    status: Status
    truncated: bool
    loop: bool
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Grade:
    """What counts as one sample's grade by a profile.

    Attributes:
        version: Of the grader.
        correct: Whether the answer equals the gold.
        status: What became of the grading.
        extracted: The answer that was compared.
    """

    version: str
    correct: bool
    status: Status
    extracted: str


def grades(store: Store, run_id: str, profile: str) -> dict[tuple[str, int], Grade]:
    """Return the newest grades of a run's samples by this profile, by item id and sample."""
    with store.read() as connection:
        rows = connection.execute(
            f"{sample_cte(connection, [run_id], profile)}"
            "SELECT item_id, sample_index, grader_version, correct, status, extracted"
            " FROM sample WHERE correct IS NOT NULL"
        ).fetchall()
    return {
        (item, index): Grade(version, correct, Status(status), extracted)
        for item, index, version, correct, status, extracted in rows
    }


def unparsed(store: Store, run_ids: Sequence[str], profile: str) -> dict[str, int]:
    """Return, by run, how many answers could not be read or compared, which counts as wrong."""
    with store.read() as connection:
        rows = connection.execute(
            f"{sample_cte(connection, run_ids, profile)}"
            "SELECT run_id, count(*) FROM sample WHERE status = ? GROUP BY run_id",
            [Status.UNPARSED],
        ).fetchall()
    return dict.fromkeys(run_ids, 0) | dict(rows)


def sample_results(
    store: Store, run_ids: Sequence[str], grader_version: str, *, profile: str = DEFAULT_PROFILE
) -> list[SampleResult]:
    """Return the samples of these runs that this version of the grader has judged.

    Args:
        store: The results file.
        run_ids: The runs' whole ids.
        grader_version: Whose grades count.
        profile: Whose grades to take.
    """
    with store.read() as connection:
        rows = connection.execute(
            f"{sample_cte(connection, run_ids, profile)}"
            "SELECT run_id, item_id, sample_index, correct, status, truncated, loop,"
            " coalesce(completion_tokens, 0) FROM sample WHERE grader_version = ?",
            [grader_version],
        ).fetchall()
    return [
        SampleResult(run, item, index, correct, Status(status), truncated, loop, tokens)
        for run, item, index, correct, status, truncated, loop, tokens in rows
    ]


def item_results(
    store: Store, run_id: str, *, profile: str = DEFAULT_PROFILE
) -> dict[str, ItemResult]:
    """Return the graded items of a run by id, in the order of the task.

    Args:
        store: The results file.
        run_id: The run's whole id.
        profile: Whose grades to take.
    """
    with store.read() as connection:
        rows = connection.execute(
            f"{sample_cte(connection, [run_id], profile)}"
            "SELECT item_id, CAST(any_value(gold_id) AS VARCHAR), any_value(subject),"
            " any_value(level), count(*)::INTEGER, count(*) FILTER (WHERE correct)::INTEGER,"
            " count(*) FILTER (WHERE truncated)::INTEGER,"
            " count(*) FILTER (WHERE status = 'no_answer')::INTEGER,"
            " count(*) FILTER (WHERE loop)::INTEGER,"
            f" count(*) FILTER (WHERE {GRADER_FAILED})::INTEGER,"
            " coalesce(sum(completion_tokens), 0)::BIGINT"
            " FROM sample WHERE correct IS NOT NULL"
            " GROUP BY item_id ORDER BY any_value(ordinal)"
        ).fetchall()
    return {row[0]: ItemResult(*row) for row in rows}
