"""Items that a report excludes: a model was trained on them, or chosen by them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError
from harness.registry import TaskRegistry
from harness.store.training import TrainingRow
from train_cft.data import splits
from train_cft.decontamination.seen_items import items_asking, loaded_items, trained_items
from train_cft.report.lineage import SHORT, ReportedModel, TrainingIndex
from train_cft.train import manifest


@dataclass(frozen=True, slots=True)
class Exclusions:
    """Items of one task that do not count.

    Attributes:
        trained: A model was trained on them.
        selected: One was chosen by them, and none trained on them.
    """

    trained: frozenset[str]
    selected: frozenset[str]


@dataclass(frozen=True, slots=True)
class BuildFacts:
    """The contents of a ``build.json`` given by the user.

    Attributes:
        file: Where it is.
        data_sha256: Hash of the data; empty where it names none.
        exempt: Benchmark items in the data, by task.
    """

    file: Path
    data_sha256: str
    exempt: Mapping[str, Sequence[str]]


class TrainedItems:
    """Finds the benchmark items that a model was trained on.

    Args:
        known: What the results file knows of trainings.
        given: The names that the user gave: among them perhaps folders of trainings and of
            checkpoints, which may have been moved since the results file recorded them.
        exempt_files: ``build.json`` that the user gave.
    """

    def __init__(
        self, known: TrainingIndex, given: Sequence[str], exempt_files: Sequence[Path]
    ) -> None:
        self.known = known
        self.builds = [_build_of(file) for file in exempt_files]
        self._folders: dict[str, list[Path]] = {}
        for name in given:
            path = Path(name).expanduser().absolute()
            folder = path.parent.parent if path.parent.name == manifest.CHECKPOINTS else path
            facts = manifest.read_facts(folder)
            if facts is not None:
                self._folders.setdefault(str(facts.get("id")), []).append(folder)

    def exempt(self, entry: ReportedModel) -> list[Mapping[str, Sequence[str]]]:
        """Return the items, by task, of each training that led to a model.

        Raises:
            HarnessError: Of one of these trainings it is not known.
        """
        return [
            self._of_training(row, entry.label) for row in self.known.lineage(entry.fingerprint)
        ]

    def unmatched(self, entries: Sequence[ReportedModel]) -> list[BuildFacts]:
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
            f"{row.data_sha256[:SHORT]}…) with --exempt.",
        )


class ExcludedItems:
    """Finds the items that do not count, and what cannot be known of them.

    Args:
        sources: Finds what a model was trained on.
        registry: Where tasks are loaded from.
        entries: The models; the base first.
        keep_selection: Keep the items by which a checkpoint was chosen.

    Attributes:
        warnings: What a reader should know.
    """

    def __init__(
        self,
        sources: TrainedItems,
        registry: TaskRegistry,
        entries: Sequence[ReportedModel],
        *,
        keep_selection: bool,
    ) -> None:
        self._registry = registry
        self._keep_selection = keep_selection
        self.warnings: list[str] = []
        self._exempt = [build.exempt for build in sources.builds]
        for entry in entries:
            self._exempt += sources.exempt(entry)
        self._warn_of_unknown_training(entries, sources.unmatched(entries))
        self._trained_questions = self._questions_of_the_build()
        self._chosen_on = sorted(
            {task for entry in entries for task in sources.known.chosen_on(entry.fingerprint)}
        )
        self._selection_questions = self._questions_of_the_selection()

    def of(self, task: str) -> Exclusions:
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
                trained |= items_asking(self._trained_questions, task, items)
                selected = items_asking(self._selection_questions, task, items) - trained
        if selected and self._keep_selection:
            self.warnings.append(
                f"A checkpoint was chosen by {len(selected)} of the {number} items of "
                f"{task}, which were kept: its score on them is too good."
            )
            selected = set()
        return Exclusions(frozenset(trained), frozenset(selected))

    def _warn_of_unknown_training(
        self, entries: Sequence[ReportedModel], unmatched: Sequence[BuildFacts]
    ) -> None:
        """Say whose training is not known, and which of the given files no known one took."""
        base = entries[0].fingerprint
        unknown = [
            entry.label
            for entry in entries
            if entry.objective is None and entry.fingerprint != base
        ]
        files = ", ".join(str(build.file) for build in unmatched)
        if unknown:
            left_out = f"only what {files} names was" if unmatched else "nothing was"
            self.warnings.append(
                f"It is not known what {', '.join(unknown)} was trained on, so {left_out} left out "
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


def _build_of(file: Path) -> BuildFacts:
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
        exempt = {str(task): [str(item) for item in ids] for task, ids in facts["exempt"].items()}
        return BuildFacts(file, str(facts.get("data_sha256", "")), exempt)
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise HarnessError(
            f"{file} is no build.json ({type(error).__name__}).",
            "Name the one that `train-cft build` wrote into the folder of the data.",
        ) from error
