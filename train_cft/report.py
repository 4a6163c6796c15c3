"""Base, SFT and CFT side by side on stored runs: ``train-cft report``.

Every task is cut to the items that all named models have, less those that one of them was trained
on or chosen by. Differences are paired; their p-values hold together (Holm over all of them).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from harness.compare import Alike, Asked, Side, alike, side
from harness.errors import HarnessError
from harness.judging import Told
from harness.registry import TaskRegistry
from harness.selection import LeftOut, find_runs
from harness.statistics import intervals, paired, ranking
from harness.statistics.intervals import Estimate
from harness.statistics.paired import Comparison
from harness.store import Store, published
from harness.store.published import PublishedScore
from harness.store.queries import RunSummary
from harness.store.training import (
    TrainingChoice,
    TrainingRow,
    training_checkpoints,
    training_choices,
    trainings,
)
from harness.types import DEFAULT_PROFILE
from train_cft import manifest, splits
from train_cft.dropping import asked_again, loaded_items, trained_items
from train_cft.selecting import chosen_fingerprint
from train_cft.wording import FEWEST_SEEDS, about_the_method, detectable, verdict

PAPER = "arXiv 2501.17703"
PAPERS_MAIN_MODEL = "Qwen2.5-Math-7B"
_PAPERS_DATA = "+WebInstruct-"
_CFT = "cft"
_SHORT = 8
_DIGITS = 12
# Parts of a recipe in which trainings of one method may differ: what they are called, what they
# learn (which is compared apart), their seeds, what they keep and what they run on.
_NOT_OF_THE_METHOD = frozenset({"name", "objective", "seeds", "save", "parallelism"})


@dataclass(frozen=True, slots=True)
class Asking:
    """What a report is to say.

    Attributes:
        base: What the others are held against: a run, a model, or the folder of a training, which
            stands for its chosen checkpoint.
        models: The others, named in the same ways.
        tasks: Only these; all that every one has a run of if empty.
        exempt_files: ``build.json`` of data whose training is not known, or its folder gone.
        keep_selection: Keep the items by which a checkpoint was chosen.
        published: Show what the paper printed beside it.
        profile: Whose grades count.
        tasks_dir: A folder of the user's own tasks.
    """

    base: str
    models: Sequence[str]
    tasks: Sequence[str] = ()
    exempt_files: Sequence[Path] = ()
    keep_selection: bool = False
    published: bool = False
    profile: str = DEFAULT_PROFILE
    tasks_dir: Path | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One model of a report, and what the results file knows of how it came about.

    Attributes:
        label: What the report calls it.
        model: Its name in the results file.
        fingerprint: Its fingerprint.
        objective: Of its training; ``None`` where none is known.
        training: The training's id.
        seed: The training's.
        step: Of the checkpoint.
        chosen: By which rule and on which task it was chosen.
    """

    label: str
    model: str
    fingerprint: str
    objective: str | None = None
    training: str | None = None
    seed: int | None = None
    step: int | None = None
    chosen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pair:
    """Two models on one task, the second less the first.

    Attributes:
        first: Label of one.
        second: Label of the other.
        task: The task.
        paired: The comparison.
        p_adjusted: Its p-value after Holm over all comparisons of the report.
        detectable: The drop that would have been found among them with 80 % power.
        words: What it says.
    """

    first: str
    second: str
    task: str
    paired: Comparison
    p_adjusted: float = 1.0
    detectable: float = 1.0
    words: str = ""


@dataclass(frozen=True, slots=True)
class TaskResult:
    """All models on one task.

    Attributes:
        task: The task.
        items: How many items count.
        trained: How many were left out because one of the models was trained on them.
        selected: How many further ones because one was chosen by them.
        sides: The models, in the order of the report.
        truncated: Share of each one's samples that ran out of budget.
        notes: What differs in how the runs were made.
    """

    task: str
    items: int
    trained: int
    selected: int
    sides: tuple[Side, ...]
    truncated: tuple[float, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AverageEffect:
    """A paired difference on average over the tasks, each counting the same."""

    first: str
    second: str
    effect: Estimate


@dataclass(frozen=True, slots=True)
class SeedClaim:
    """What several trainings say of a method, or that they are too few.

    Attributes:
        first: What the method is held against: the base, or another objective.
        second: The method: an objective.
        task: The task, or the average of all.
        seeds: The training seeds.
        effect: Mean difference over them with its interval; ``None`` where they are too few.
        words: What that says.
    """

    first: str
    second: str
    task: str
    seeds: tuple[int, ...]
    effect: Estimate | None
    words: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What ``train-cft report`` found.

    Attributes:
        profile: Whose grades count.
        entries: The models; the base first.
        tasks: The tasks.
        averages: Each model's mean over them, if there are several.
        pairs: The comparisons.
        average_effects: The same on average over the tasks, if there are several.
        methods: What may be said of the methods.
        published: What others printed; never mixed with the rest.
        left_out: Tasks not reported.
        warnings: What a reader should know.
    """

    profile: str
    entries: tuple[Entry, ...]
    tasks: tuple[TaskResult, ...]
    averages: tuple[Estimate, ...]
    pairs: tuple[Pair, ...]
    average_effects: tuple[AverageEffect, ...]
    methods: tuple[SeedClaim, ...]
    published: tuple[PublishedScore, ...]
    left_out: tuple[LeftOut, ...]
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it for a script; shares are in [0, 1]."""
        return asdict(self)


def report(asking: Asking, store: Store, told: Told) -> Report:
    """Compare stored runs.

    Raises:
        HarnessError: A name stands for nothing, the protocols differ, nothing is left to compare,
            or it is not known what a checkpoint was trained on.
    """
    registry = TaskRegistry(asking.tasks_dir)
    given = (asking.base, *asking.models)
    names = [*map(_meant, given)]
    runs = find_runs(store, names, asking.profile)
    known = _Known.of(store)
    entries = _entries([listed[0] for listed in runs], known)
    tasks, left_out = _tasks(asking, runs)
    drops = _Drops(_Sources(known, given, asking.exempt_files), registry, asking, entries)
    without = {task: drops.of(task) for task in tasks}
    asked = Asked(
        names,
        asking.profile,
        tasks,
        without={task: dropped.trained | dropped.selected for task, dropped in without.items()},
    )
    found, more_left_out = alike(store, asked, registry, told)
    results = tuple(_result(one, entries, without[one.runs[0].task]) for one in found)
    pairs = _pairs(entries, found)
    several = len(found) > 1
    return Report(
        profile=asking.profile,
        entries=tuple(entries),
        tasks=results,
        averages=tuple(
            intervals.suite([result.sides[place].score for result in results])
            for place in range(len(entries))
        )
        if several
        else (),
        pairs=pairs,
        average_effects=_average_effects(pairs) if several else (),
        methods=_methods(entries, found, known),
        published=_published(store, asking, entries[0], [result.task for result in results]),
        left_out=(*left_out, *more_left_out),
        warnings=tuple(drops.warnings),
    )


def _meant(name: str) -> str:
    """Return the fingerprint of what was chosen, where a name is the folder of a training."""
    folder = Path(name).expanduser()
    if manifest.read_facts(folder) is None:
        return name
    fingerprint = chosen_fingerprint(folder)
    if fingerprint is None:
        raise HarnessError(
            f"No checkpoint has been chosen of the training in {name}.",
            "Run `train-cft select` first, or name a checkpoint.",
        )
    return fingerprint


def _to_evaluate(name: str) -> str:
    """Return what `harness eval` takes for a name: of a training's folder the chosen checkpoint."""
    folder = Path(name).expanduser()
    if manifest.read_facts(folder) is None:
        return name
    chosen = chosen_fingerprint(folder)
    paths = (str(one.path) for one in manifest.saved(folder) if one.fingerprint == chosen)
    return next(paths, name)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the results file knows of trainings.

    Attributes:
        trainings: By id.
        made_by: Training and step of each checkpoint, by fingerprint.
        choices: What was chosen.
    """

    trainings: Mapping[str, TrainingRow]
    made_by: Mapping[str, tuple[str, int]]
    choices: Sequence[TrainingChoice]

    @classmethod
    def of(cls, store: Store) -> _Known:
        return cls(
            {row.id: row for row in trainings(store)},
            {row.fingerprint: (row.training_id, row.step) for row in training_checkpoints(store)},
            training_choices(store),
        )

    def lineage(self, fingerprint: str) -> Iterator[TrainingRow]:
        """Yield the training that made a model, the one that made its base, and so on."""
        seen = set()
        while fingerprint in self.made_by and fingerprint not in seen:
            seen.add(fingerprint)
            row = self.trainings.get(self.made_by[fingerprint][0])
            if row is None:
                return
            yield row
            fingerprint = row.base

    def chosen_on(self, fingerprint: str) -> set[str]:
        """Return the tasks that a checkpoint, or one that it was trained from, was chosen on."""
        line = (fingerprint, *(row.base for row in self.lineage(fingerprint)))
        return {one.task for ancestor in line for one in self.chosen(ancestor)}

    def chosen(self, fingerprint: str) -> list[TrainingChoice]:
        """Return the choices that a checkpoint came out of."""
        made_by = self.made_by.get(fingerprint)
        return [one for one in self.choices if (one.training_id, one.step) == made_by]


def _entries(runs: Sequence[RunSummary], known: _Known) -> list[Entry]:
    entries = []
    for run in runs:
        training_id, step = known.made_by.get(run.fingerprint, (None, None))
        row = known.trainings.get(training_id or "")
        entries.append(
            Entry(
                label=run.model if row is None else _label(row, step),
                model=run.model,
                fingerprint=run.fingerprint,
                objective=row.objective if row else None,
                training=training_id,
                seed=row.seed if row else None,
                step=step,
                chosen=tuple(f"{one.rule} on {one.task}" for one in known.chosen(run.fingerprint)),
            )
        )
    for more in (lambda one: f"seed {one.seed}", lambda one: one.fingerprint[:_SHORT]):
        labels = [entry.label for entry in entries]
        entries = [
            replace(entry, label=f"{entry.label}, {more(entry)}")
            if labels.count(entry.label) > 1
            else entry
            for entry in entries
        ]
    return entries


def _label(row: TrainingRow, step: int | None) -> str:
    """Return what to call a checkpoint: by its training, what that learns, and the step."""
    objective = "" if row.objective in row.name else f" {row.objective}"
    return f"{row.name}{objective} step {step}"


def _tasks(asking: Asking, runs: Sequence[Sequence[RunSummary]]) -> tuple[list[str], list[LeftOut]]:
    """Return the tasks to report, and those asked for that nothing here has a run of."""
    there = sorted({run.task for listed in runs for run in listed})
    wanted = list(dict.fromkeys(asking.tasks)) or there
    missing = [
        LeftOut(task, "nothing named has a run of it") for task in wanted if task not in there
    ]
    if len(missing) == len(wanted):
        named = map(_to_evaluate, (asking.base, *asking.models))
        listed = " ".join(f"--model {shlex.quote(name)}" for name in named)
        raise HarnessError(
            "Nothing named has a run of any of these tasks.",
            f"Run `harness eval {listed} --tasks {','.join(wanted)}` first.",
        )
    return [task for task in wanted if task in there], missing


@dataclass(frozen=True, slots=True)
class _Dropped:
    trained: frozenset[str]
    selected: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Build:
    """What a ``build.json`` given by the user says.

    Attributes:
        file: Where it is.
        data_sha256: Hash of the data; empty where it names none.
        exempt: Benchmark items in the data, by task.
    """

    file: Path
    data_sha256: str
    exempt: Mapping[str, Sequence[str]]


class _Sources:
    """Finds the benchmark items that a model was trained on.

    Args:
        known: What the results file knows of trainings.
        given: The names that the user gave: among them perhaps folders of trainings and of
            checkpoints, which may have been moved since the results file was told.
        exempt_files: ``build.json`` that the user gave.
    """

    def __init__(self, known: _Known, given: Sequence[str], exempt_files: Sequence[Path]) -> None:
        self.known = known
        self.builds = [_build_of(file) for file in exempt_files]
        self._folders: dict[str, list[Path]] = {}
        for name in given:
            path = Path(name).expanduser().absolute()
            folder = path.parent.parent if path.parent.name == manifest.CHECKPOINTS else path
            facts = manifest.read_facts(folder)
            if facts is not None:
                self._folders.setdefault(str(facts.get("id")), []).append(folder)

    def exempt(self, entry: Entry) -> list[Mapping[str, Sequence[str]]]:
        """Return the items, by task, of each training that led to a model.

        Raises:
            HarnessError: Of one of these trainings it is not known.
        """
        return [
            self._of_training(row, entry.label) for row in self.known.lineage(entry.fingerprint)
        ]

    def unmatched(self, entries: Sequence[Entry]) -> list[_Build]:
        """Return the given files that are not the data of any training that led to a model."""
        rows = (row for entry in entries for row in self.known.lineage(entry.fingerprint))
        data = {row.data_sha256 for row in rows} - {""}
        return [build for build in self.builds if build.data_sha256 not in data]

    def _of_training(self, row: TrainingRow, label: str) -> Mapping[str, Sequence[str]]:
        why = ""
        for folder in (*self._folders.get(row.id, ()), Path(row.output)):
            try:
                training = manifest.read(folder)
            except HarnessError as error:
                why = error.message
                continue
            if training.id == row.id:
                return training.exempt
            why = f"{folder} now holds another training ({training.name})."
        for build in self.builds:
            if build.data_sha256 and build.data_sha256 == row.data_sha256:
                return build.exempt
        raise HarnessError(
            f"It is not known what {label} was trained on: {why}",
            f"Name the training's folder, or give the build.json of its data (data_sha256 "
            f"{row.data_sha256[:_SHORT]}…) with --exempt.",
        )


class _Drops:
    """Finds the items that do not count, and what cannot be known of them."""

    def __init__(
        self, sources: _Sources, registry: TaskRegistry, asking: Asking, entries: Sequence[Entry]
    ) -> None:
        self._registry = registry
        self._keep_selection = asking.keep_selection
        self.warnings: list[str] = []
        self._exempt = [build.exempt for build in sources.builds]
        for entry in entries:
            self._exempt += sources.exempt(entry)
        self._tell_of_strangers(entries, sources.unmatched(entries))
        self._trained_questions = self._questions_of_the_build()
        self._chosen_on = sorted(
            {task for entry in entries for task in sources.known.chosen_on(entry.fingerprint)}
        )
        self._selection_questions = self._questions_of_the_selection()

    def of(self, task: str) -> _Dropped:
        """Return the items of a task that do not count."""
        trained = set[str]()
        for exempt in self._exempt:
            trained |= trained_items(task, exempt)
        selected = set[str]()
        number = 0
        if self._trained_questions or self._selection_questions:
            items = loaded_items(self._registry, task)
            number = len(items or ())
            if items is None:
                self.warnings.append(
                    f"{task} could not be loaded here: only items named as training source were "
                    "left out, not those that ask the same under another name."
                )
            else:
                trained |= asked_again(self._trained_questions, task, items)
                selected = asked_again(self._selection_questions, task, items) - trained
        if selected and self._keep_selection:
            self.warnings.append(
                f"A checkpoint was chosen by {len(selected)} of the {number} items of "
                f"{task}, which were kept: its score on them is too good."
            )
            selected = set()
        return _Dropped(frozenset(trained), frozenset(selected))

    def _tell_of_strangers(self, entries: Sequence[Entry], unmatched: Sequence[_Build]) -> None:
        """Say whose training is not known, and which of the given files no known one took."""
        base = entries[0].fingerprint
        strangers = [
            entry.label
            for entry in entries
            if entry.objective is None and entry.fingerprint != base
        ]
        files = ", ".join(str(build.file) for build in unmatched)
        if strangers:
            left_out = f"only what {files} names was" if unmatched else "nothing was"
            self.warnings.append(
                f"It is not known what {', '.join(strangers)} learnt from, so {left_out} left out "
                "for it; --exempt takes the build.json of its data."
            )
        elif unmatched:
            self.warnings.append(
                f"{files} is not of the data of any training here; the items it names were left "
                "out all the same."
            )

    def _questions_of_the_build(self) -> list[str]:
        named = {item for exempt in self._exempt for item in exempt.get(splits.PARENT, ())}
        if not named:
            return []
        items = loaded_items(self._registry, splits.PARENT)
        return [item.question for item in items or () if item.id in named]

    def _questions_of_the_selection(self) -> list[str]:
        questions = []
        for task in self._chosen_on:
            items = loaded_items(self._registry, task)
            if items is None:
                self.warnings.append(
                    f"A checkpoint was chosen on {task}, which could not be loaded here: items of "
                    "it may be among those below."
                )
            questions += [item.question for item in items or ()]
        return questions


def _build_of(file: Path) -> _Build:
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
        exempt = {str(task): [str(item) for item in ids] for task, ids in facts["exempt"].items()}
        return _Build(file, str(facts.get("data_sha256", "")), exempt)
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise HarnessError(
            f"{file} is no build.json ({type(error).__name__}).",
            "Name the one that `train-cft build` wrote beside the data.",
        ) from error


def _result(found: Alike, entries: Sequence[Entry], dropped: _Dropped) -> TaskResult:
    first = found.runs[0]
    label_of = {run.id: entry.label for run, entry in zip(found.runs, entries, strict=True)}
    notes = [
        f"{label_of[run_id]}: {'; '.join(map(str, (*one.shown, *one.warned)))}"
        for run_id, one in found.differences.items()
        if one.shown or one.warned
    ]
    notes += [f"{label_of[run.id]} is not complete" for run in found.runs if not run.complete]
    return TaskResult(
        task=first.task,
        items=len(found.items[0]),
        trained=sum(item in dropped.trained for item in found.without),
        selected=sum(item in dropped.selected for item in found.without),
        sides=tuple(side(run, items) for run, items in zip(found.runs, found.items, strict=True)),
        truncated=tuple(
            sum(item.truncated for item in items) / sum(item.samples for item in items)
            for items in found.items
        ),
        notes=tuple(notes),
    )


def _pairs(entries: Sequence[Entry], found: Sequence[Alike]) -> tuple[Pair, ...]:
    """Compare every model with the base, and every two that learnt different things."""
    made = [
        Pair(
            entries[one].label,
            entries[other].label,
            task.runs[0].task,
            paired.compare(_scores(task, one), _scores(task, other)),
        )
        for one, other in _compared(entries)
        for task in found
    ]
    adjusted = ranking.holm([pair.paired.p for pair in made])
    return tuple(
        replace(
            pair,
            p_adjusted=p,
            detectable=detectable(pair.paired, len(made)),
            words=verdict(pair.first, pair.second, pair.paired, p, len(made)),
        )
        for pair, p in zip(made, adjusted, strict=True)
    )


def _compared(entries: Sequence[Entry]) -> Iterator[tuple[int, int]]:
    """Yield the places of those to be compared: the base before others, CFT behind what is not."""
    for other in range(1, len(entries)):
        yield 0, other
    for one, other in combinations(range(1, len(entries)), 2):
        first, second = entries[one].objective, entries[other].objective
        if first == second and first is not None:
            continue  # seeds or steps of one method
        yield (other, one) if _is_cft(first) and not _is_cft(second) else (one, other)


def _is_cft(objective: str | None) -> bool:
    return objective is not None and objective.startswith(_CFT)


def _scores(found: Alike, place: int) -> list[float]:
    return [item.score for item in found.items[place]]


def _average_effects(pairs: Sequence[Pair]) -> tuple[AverageEffect, ...]:
    by_names: dict[tuple[str, str], list[Estimate]] = {}
    for pair in pairs:
        compared = pair.paired
        effect = Estimate(compared.effect, compared.low, compared.high, compared.items)
        by_names.setdefault((pair.first, pair.second), []).append(effect)
    return tuple(
        AverageEffect(first, second, intervals.suite(effects))
        for (first, second), effects in by_names.items()
    )


@dataclass(frozen=True, slots=True)
class _Method:
    """Trainings that differ in their seed only.

    Attributes:
        objective: What they learn.
        recipe: Everything else they have in common, base and data among it.
        by_seed: The place of one model a seed.
    """

    objective: str
    recipe: str
    base: str
    by_seed: dict[int, int] = field(default_factory=dict)


def _methods(
    entries: Sequence[Entry], found: Sequence[Alike], known: _Known
) -> tuple[SeedClaim, ...]:
    """Say what there is to say of methods: over trainings that differ in their seed only."""
    methods: dict[tuple[str, str], _Method] = {}
    for place, entry in enumerate(entries[1:], start=1):
        if entry.training is None or entry.objective is None or entry.seed is None:
            continue
        row = known.trainings[entry.training]
        recipe = {
            part: value for part, value in row.recipe.items() if part not in _NOT_OF_THE_METHOD
        }
        common = json.dumps([row.base, row.data_sha256, recipe], sort_keys=True)
        method = methods.setdefault(
            (entry.objective, common), _Method(entry.objective, common, row.base)
        )
        method.by_seed.setdefault(entry.seed, place)
    claims = []
    for method in methods.values():
        if method.base == entries[0].fingerprint:
            places = {seed: (0, place) for seed, place in method.by_seed.items()}
            claims += _claims(entries[0].label, method.objective, places, found)
    for one, other in combinations(methods.values(), 2):
        if one.recipe != other.recipe:
            continue
        first, second = (other, one) if _is_cft(one.objective) else (one, other)
        places = {
            seed: (first.by_seed[seed], place)
            for seed, place in second.by_seed.items()
            if seed in first.by_seed
        }
        claims += _claims(first.objective, second.objective, places, found)
    made = sum(claim.effect is not None for claim in claims)
    return tuple(
        replace(
            claim,
            words=about_the_method(claim.first, claim.second, claim.effect, len(claim.seeds), made),
        )
        for claim in claims
    )


def _claims(
    first: str, second: str, places: Mapping[int, tuple[int, int]], found: Sequence[Alike]
) -> list[SeedClaim]:
    """Return the difference on each task, and on average, over the seeds; one claim if too few."""
    seeds = tuple(sorted(places))
    if len(seeds) < FEWEST_SEEDS:
        return [SeedClaim(first, second, "", seeds, None)]
    effects: dict[str, list[float]] = {}
    for task in found:
        effects[task.runs[0].task] = [
            _mean(_scores(task, places[seed][1])) - _mean(_scores(task, places[seed][0]))
            for seed in seeds
        ]
    grains = {task.runs[0].task: 1 / len(task.items[0]) for task in found}
    if len(found) > 1:
        by_seed = zip(*effects.values(), strict=True)
        average = f"average of {len(found)} tasks"
        effects[average] = [_mean(one) for one in by_seed]
        grains[average] = min(grains.values())
    return [
        SeedClaim(first, second, task, seeds, _between_seeds(values, grains[task]))
        for task, values in effects.items()
    ]


def _between_seeds(values: Sequence[float], grain: float) -> Estimate:
    """Return Student's interval of differences, reaching one item either way at least.

    Scores are counts of items. Seeds that come out equal differ by less than an item shows, not by
    nothing, and an interval of no width would call any difference certain.

    Args:
        values: One difference a seed.
        grain: What one item is of a score.
    """
    found = intervals.student(values)
    # Rounded, so that a difference of just one item does not leave 0 out by a rounding error.
    low, high = (round(found.value + reach, _DIGITS) for reach in (-grain, grain))
    return replace(found, low=min(found.low, low), high=max(found.high, high))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _published(
    store: Store, asking: Asking, base: Entry, tasks: Sequence[str]
) -> tuple[PublishedScore, ...]:
    """Return the paper's models on these tasks: those of our base where it has some, else its main.

    Where another source is shown than the paper (its base rows are other people's, measured with
    examples in the prompt), the row says so.
    """
    if not asking.published:
        return ()
    rows = published.scores(store)
    name = base.model.rpartition("/")[2]
    has_data = any(row.model.startswith(name + _PAPERS_DATA) for row in rows)
    main = name if has_data else PAPERS_MAIN_MODEL
    found = [
        row
        for row in rows
        if row.task in tasks and (row.model == main or row.model.startswith(main + _PAPERS_DATA))
    ]
    order = {"base": 0, "sft": 1, "cft": 2}
    return tuple(sorted(found, key=lambda row: (order.get(row.method, 3), row.model, row.task)))
