"""Import another harness's responses as a run of ours, graded by us."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.errors import HarnessError
from harness.grading import GraderPool
from harness.interop.imported import ImportedRun, ImportedSample, check_apart, file_notes
from harness.interop.match_items import match_items
from harness.registry import TaskRegistry
from harness.run.completion import split_thought, text_loops
from harness.run.grader import OnGrade, RunGrader
from harness.run.restricted import is_restricted, mark_restricted
from harness.store import Journal, Store, queries, rows
from harness.store.sample_scan import sample_cte
from harness.task import Task, data_sha256, scorers_of
from harness.types import (
    DEFAULT_PROFILE,
    SOURCE_PROFILE,
    EngineIdentity,
    Generation,
    Item,
    Model,
    Status,
    ThoughtTags,
    Verdict,
    digest,
)

_CUT_OFF = ("length", "repetition")
# A benchmark whose authors ask that it is kept to oneself, in whatever name a log has for it.
_RESTRICTED = "gpqa"
# Of a file's responses, below which another task is likelier to be the one that was meant.
_FEWEST_MATCHED = 0.5
_LONGEST_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Origin:
    """Where responses come from.

    Attributes:
        format: Name of the importer.
        file_sha256: Hash of the file.
        model: What the leaderboard is to call the model.
        task: Name of the task they answer.
        made_by: The program that asked the model, and its version.
        sampling: As in :class:`harness.types.Sampling`, with ``None`` for each part that the
            source does not tell; ``None`` where it tells nothing.
        prompts_sha256: Hash of what the source tells of its prompts.
        metric: What judged there, by the source's name for it; empty where there is one judgement.
        facts: Further facts of the protocol that the source states.
    """

    format: str
    file_sha256: str
    model: str
    task: str
    made_by: str = ""
    sampling: Mapping[str, Any] | None = None
    prompts_sha256: str | None = None
    metric: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def protocol(self) -> dict[str, Any]:
        """What is known of how the responses came about."""
        protocol: dict[str, Any] = {
            "task": self.task,
            "imported": self.format,
            "file_sha256": self.file_sha256,
        }
        if self.sampling is not None:
            protocol["sampling"] = dict(self.sampling)
        if self.prompts_sha256 is not None:
            protocol["messages_sha256"] = self.prompts_sha256
        if self.made_by:
            protocol["made_by"] = self.made_by
        return protocol | {name: value for name, value in self.facts.items() if value is not None}

    @property
    def judged_by(self) -> str:
        """What the source's judgements are of: the version of their grader, to the store."""
        return ", ".join(part for part in (self.made_by or self.format, self.metric) if part)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How our grades and the source's compare, over the responses that both judged.

    Attributes:
        both_right: Right to both.
        both_wrong: Wrong to both.
        only_ours: Right to us alone.
        only_source: Right to the source alone.
    """

    both_right: int
    both_wrong: int
    only_ours: int
    only_source: int

    @property
    def judged(self) -> int:
        """How many responses both judged."""
        return self.both_right + self.both_wrong + self.only_ours + self.only_source

    @property
    def share(self) -> float | None:
        """The share they agree on; ``None`` where there is nothing to compare."""
        return (self.both_right + self.both_wrong) / self.judged if self.judged else None


@dataclass(frozen=True, slots=True)
class Matched:
    """Which of a file's responses answer items of a task.

    Attributes:
        items: The item of each of the file's ids.
        kept: The responses that answer one of them.
        left_out: How many do not.
        unmatched: Questions of the file that the task does not have.
    """

    items: Mapping[str, Item]
    kept: Sequence[ImportedSample]
    left_out: int
    unmatched: Sequence[str]


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did.

    Attributes:
        run_id: The run it became.
        samples: How many responses were taken in.
        notes: What the user should know, one sentence each.
    """

    run_id: str
    samples: int
    notes: tuple[str, ...] = ()


def check_one_task(logs: Sequence[ImportedRun], task: str | None) -> None:
    """Refuse to take several benchmarks for one task.

    Raises:
        HarnessError: The logs are of several, and ``task`` names one.
    """
    names = list(dict.fromkeys(log.task for log in logs))
    if task is not None and len(names) > 1:
        raise HarnessError(
            f"There are {len(names)} benchmarks here, and --task names one: {', '.join(names)}.",
            "Choose with --only, or leave out --task.",
        )


def plan(
    form: str,
    log: ImportedRun,
    model: str | None,
    task: str | None,
    match: bool | None,
    registry: TaskRegistry,
) -> tuple[Origin, Task | None]:
    """Decide what a log's run is called, and whose items it answers.

    Args:
        form: Name of the format.
        log: The log.
        model: What to call the model; ``None`` for the log's own name.
        task: The task; ``None`` for ours of the log's name, else that name itself.
        match: Take the items of our task; ``None`` for where a log's task is ours.
        registry: Our tasks.

    Returns:
        The origin, and our task where its items are to be taken.

    Raises:
        HarnessError: The log does not name model or task, does not tell its responses apart, or
            would bring text that its authors ask to keep to oneself.
    """
    check_apart(log.samples)
    model = model or log.model
    if not model:
        raise HarnessError("The file does not say which model this is.", "Name it with --model.")
    ours = _ours(task or log.task, registry)
    called = task or ours or log.task
    if not called:
        raise HarnessError("The file does not say which task this is.", "Name it with --task.")
    if match and ours is None:
        registry.load(called)  # says what is near
    known = registry.load(ours) if ours is not None else None
    matched = match if match is not None else bool(log.made_by)
    if known is not None and matched:
        known = mark_restricted(known, known.items())
    kept_back = known is not None and known.restricted
    # The log's own task name decides too, and its text: renaming must not import either.
    named = _RESTRICTED in _squashed(f"{called} {log.task}")
    if not (kept_back and matched) and (kept_back or named or is_restricted(_texts(log.samples))):
        asks = (
            called if kept_back else _said(called, log.task) if named else "GPQA, which it quotes,"
        )
        raise HarnessError(
            f"{asks} asks that its text is kept to itself, so the file's own copy is not stored.",
            "Name our task for it with --task, and add --match to take its items.",
        )
    if known is None or not matched:
        _check_judged(log, called)
    return Origin(
        format=form,
        file_sha256=log.sha256,
        model=model,
        task=called,
        made_by=log.made_by,
        sampling=log.sampling,
        prompts_sha256=log.prompts_sha256,
        metric=log.metric,
        facts=log.facts,
    ), known if matched else None


def _texts(samples: Iterable[ImportedSample]) -> Iterator[str]:
    """Yield what may hold a question: where the file has none, the responses may repeat it."""
    for sample in samples:
        asked = (sample.question, sample.prompt)
        yield sample.item_id
        yield from asked if any(asked) else (sample.thought or "", sample.response)


def _check_judged(log: ImportedRun, called: str) -> None:
    """Refuse responses that nothing could be judged by."""
    if any(sample.gold.strip() or sample.correct is not None for sample in log.samples):
        return
    raise HarnessError(
        f"The file has no reference answers to judge {called} by.",
        "Name our task for it with --task, and add --match to take its items.",
    )


def _said(called: str, logged: str) -> str:
    """Return the name by which a restricted benchmark gave itself away."""
    return called if _RESTRICTED in _squashed(called) else logged


def _ours(name: str, registry: TaskRegistry) -> str | None:
    """Return our task of this name, however others write it: ``math_500`` is ``math500``."""
    known = [entry.name for entry in registry.entries() if not entry.is_family]
    if name in known or ":" in name and _is_ours(name, registry):
        return name
    return next((each for each in known if _squashed(each) == _squashed(name)), None)


def _is_ours(name: str, registry: TaskRegistry) -> bool:
    stem = name.partition(":")[0]
    return any(entry.name.partition(":")[0] == stem for entry in registry.entries())


def _squashed(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def find_items(
    samples: Sequence[ImportedSample], task: Task | None, called: str, *, partial: bool
) -> Matched:
    """Find the items that a file's responses answer; nothing is stored yet.

    Args:
        samples: From an importer.
        task: Our task, whose items are found by question or id; ``None`` keeps the file's items
            and reference answers.
        called: What the task is called.
        partial: Take a file less than half of whose responses are the task's.

    Raises:
        HarnessError: Not one question is the task's, or too few are.
    """
    items, unmatched = match_items(samples, task)
    kept = [sample for sample in samples if sample.item_id in items]
    if kept and (partial or len(kept) >= _FEWEST_MATCHED * len(samples)):
        return Matched(items, kept, len(samples) - len(kept), unmatched)
    example = ""
    if unmatched and not (task and task.restricted):
        example = f" (not found: {shortened(unmatched[0])!r})"
    if not kept:
        raise HarnessError(
            f"None of the file's questions is an item of {called}{example}, so nothing was "
            "imported.",
            "Name another --task, or give --no-match to import it with its own questions and "
            "answers.",
        )
    raise HarnessError(
        f"Only {len(kept)} of the file's {len(samples)} responses answer items of {called}"
        f"{example}, so nothing was imported.",
        "Name another --task, give --no-match to import it with its own questions and answers, or "
        "--partial to import those that match.",
    )


def shortened(question: str) -> str:
    """Return a question as one short line."""
    line = " ".join(question.split())
    return line if len(line) <= _LONGEST_SHOWN else line[: _LONGEST_SHOWN - 1] + "…"


def import_samples(
    store: Store, matched: Matched, origin: Origin, task: Task | None, on_grade: OnGrade
) -> Imported:
    """Store responses as a run and judge them; the judgements they came with are kept too.

    Args:
        store: The results file.
        matched: The responses and the items that they answer.
        origin: Where they come from.
        task: Our task where its items were found; ``None`` where they are the file's own.
        on_grade: Called with run id, item id and verdict as they come.
    """
    items, kept = matched.items, matched.kept
    listed = list({item.id: item for item in items.values()}.values())
    data = data_sha256(listed if task is None else task.items())
    # Which columns of one file are read decides what the responses are.
    responses = digest([_identity(sample, items[sample.item_id]) for sample in kept])
    made = [origin.file_sha256, origin.format, origin.model, origin.task, data, responses]
    run_id = digest(made)[:12]
    scorers = scorers_of(listed if task else [])
    with (
        Journal(store) as journal,
        GraderPool(profile=DEFAULT_PROFILE, scorers=scorers) as pool,
    ):
        for table, row in _head(run_id, origin, data, listed, kept, task):
            journal.append(table, row)
        grader = RunGrader(pool, journal, DEFAULT_PROFILE, on_grade)
        for sample in kept:
            item = items[sample.item_id]
            key = digest([run_id, sample.item_id, sample.sample_index])[:32]
            generation = generation_of(key, sample)
            row = rows.request_row(run_id, item, sample.sample_index, key)
            journal.append("request", row)
            row = rows.generation_row(generation, restricted=bool(task and task.restricted))
            journal.append("generation", row)
            if sample.correct is not None:
                verdict = Verdict(
                    sample.correct, Status.OK, extracted=sample.extracted, method=origin.format
                )
                row = rows.grade_row(key, item, verdict, SOURCE_PROFILE, origin.judged_by)
                journal.append("grade", row)
            grader.submit(run_id, item, key, generation.answer, truncated=generation.truncated)
        grader.wait()
    notes = (*file_notes(kept, own_references=task is None), *_others(store, run_id, origin))
    return Imported(run_id, len(kept), notes)


def _identity(sample: ImportedSample, item: Item) -> str:
    thought = sample.thought or ""
    return digest([item.id, item.gold_id, sample.sample_index, thought, sample.response])


def _others(store: Store, run_id: str, origin: Origin) -> tuple[str, ...]:
    """Say so where another import's judgements of these responses are shown: the newest are."""
    (shown,) = queries.grader_versions(store, [run_id], SOURCE_PROFILE).values()
    others = [version for version in shown if version != origin.judged_by]
    if not others:
        return ()
    return (
        f"What is shown as the source's judgement is, of all or some responses, by "
        f"{' and '.join(others)}: it came with another import of the same responses.",
    )


def agreement(store: Store, run_id: str) -> Agreement:
    """Count on how many of a run's responses our grader and the source agree."""
    with store.read() as connection:
        ours, theirs = (
            f"({sample_cte(connection, [run_id], profile)}"
            "SELECT item_id, sample_index, correct FROM sample)"
            for profile in (DEFAULT_PROFILE, SOURCE_PROFILE)
        )
        row = connection.execute(
            "SELECT count(*) FILTER (WHERE a.correct AND b.correct),"
            " count(*) FILTER (WHERE NOT a.correct AND NOT b.correct),"
            " count(*) FILTER (WHERE a.correct AND NOT b.correct),"
            " count(*) FILTER (WHERE NOT a.correct AND b.correct)"
            f" FROM {ours} a JOIN {theirs} b USING (item_id, sample_index)"
        ).fetchone()
    return Agreement(*(row or (0, 0, 0, 0)))


def _head(
    run_id: str,
    origin: Origin,
    data: str,
    items: Sequence[Item],
    samples: Sequence[ImportedSample],
    task: Task | None,
) -> list[tuple[str, dict[str, Any]]]:
    """Return the model, run and item rows."""
    fingerprint = digest(["imported", origin.model])
    model = Model(origin.model, f"imported:{origin.format}", fingerprint)
    restricted = bool(task and task.restricted)
    run = rows.run_row(
        run_id,
        fingerprint,
        origin.protocol,  # the file's hash in it keeps it from being equal to any other run's
        EngineIdentity("imported", origin.made_by or origin.format, "unknown"),
        task=origin.task,
        data_sha256=data,
        samples=1 + max(sample.sample_index for sample in samples),
        items=len(items),
        requests=len(samples),
        restricted=restricted,
    )
    head: list[tuple[str, dict[str, Any]]] = [("model", rows.model_row(model)), ("run", run)]
    shuffled = {item.id for item in task.items() if item.option_order} if task else set()
    for ordinal, item in enumerate(items):
        # Of a restricted task's item the source's letter for its own order of the options stays:
        # it tells nothing of them, and loading the task does not bring it back.
        hidden = ("question",) if item.id in shuffled else ("question", "gold")
        row = rows.item_row(item, origin.task, data, ordinal, without=hidden if restricted else ())
        head.append(("item", row))
    return head


def generation_of(key: str, sample: ImportedSample) -> Generation:
    """Return a response that was made elsewhere as a generation.

    One that ends in a repetition, and does not say why it ended, counts as cut off.
    """
    thought, answer = _thought_and_answer(sample)
    loop = sample.finish_reason == "repetition" or text_loops(thought + (answer or ""))
    cut_off = sample.finish_reason in _CUT_OFF or (loop and sample.finish_reason == "unknown")
    return Generation(
        key=key,
        thought=thought,
        answer=answer or "",
        finish_reason=sample.finish_reason,
        truncated=answer is None or cut_off,
        loop=loop,
        prompt_tokens=sample.prompt_tokens,
        completion_tokens=sample.completion_tokens,
        thought_tokens=sample.thought_tokens,
        seconds=sample.seconds,
    )


def _thought_and_answer(sample: ImportedSample) -> tuple[str, str | None]:
    """Return thought and answer; the answer is ``None`` where the thought never ended."""
    if sample.thought is None:
        return split_thought(sample.response, ThoughtTags(), starts_in_thought=False)
    unfinished = not sample.response and sample.finish_reason in _CUT_OFF
    return sample.thought, None if unfinished else sample.response
