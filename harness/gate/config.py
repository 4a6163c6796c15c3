"""What a gate decides and what it may spend: ``gate.toml``, every key of it checked.

Margins, tolerances and rates are in points (percent of the items) as people speak of them; the
statistics take shares.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, nearest
from harness.types import NEW_ITEMS, THESE_ITEMS

_REMEDY = "docs/gate.md lists all keys with their meaning."
_TARGETS = (NEW_ITEMS, THESE_ITEMS)


class Tier(StrEnum):
    """What the test of a task may do to the verdict.

    Attributes:
        REQUIRED: It must pass, and fails the gate if it fails; the task is part of the suite too.
        SUITE: The task counts in the mean over the suite and by its guards; its own test is only
            reported.
        ADVISORY: All of it is only reported.
    """

    REQUIRED = "required"
    SUITE = "suite"
    ADVISORY = "advisory"


@dataclass(frozen=True, slots=True)
class Guards:
    """By how many points each rate of mishaps may rise above the baseline's.

    Attributes:
        truncation: Answers cut off by their budget.
        no_answer: Answers in which no answer was found.
        loop: Answers that end in a repetition.
        grader_failure: Answers that the grader's infrastructure failed on.
    """

    truncation: float = 2.0
    no_answer: float = 2.0
    loop: float = 2.0
    grader_failure: float = 1.0


@dataclass(frozen=True, slots=True)
class TaskConfig:
    """What holds for one task.

    Attributes:
        margin: The smallest drop that must not pass: in points, or as a text like ``"5%"`` a share
            of the baseline's stored score.
        target: What the drop is about: ``new items`` or ``these items``.
        tier: What its test may do to the verdict.
        better: Whether a ``higher`` or a ``lower`` score is the better one.
        samples: Samples an item by the candidate; ``None`` for the task's own number, or one where
            the baseline is greedy. On these items the most rounds; ``None`` for as many as the
            baseline has samples.
        limit: How many of the baseline's items, chosen by :func:`harness.subset.drawn`; ``None``
            for all.
        max_tokens: Budget of new tokens; ``None`` for the baseline's, as for all sampling.
        temperature: 0 is greedy.
        guards: Tolerances.
    """

    margin: float | str = 3.0
    target: str = NEW_ITEMS
    tier: Tier = Tier.REQUIRED
    better: str = "higher"
    samples: int | None = None
    limit: int | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    guards: Guards = Guards()


@dataclass(frozen=True, slots=True)
class GateConfig:
    """A gate's whole configuration.

    Attributes:
        tasks: What to gate on; empty for the tasks of the baseline's runs.
        suite: A named list of tasks, beside or in place of ``tasks``.
        defaults: What holds for a task unless it says otherwise.
        by_task: What single tasks say.
        suite_margin: Smallest mean drop over the tasks that must not pass; ``None`` for ``margin``.
        alpha: Greatest probability of failing an equal candidate, and of passing one at a margin.
        power: Chance of a decision that the remarks on the size of a gate are made for.
        guard_share: Share of ``alpha`` that the guards get together.
        top_p: Nucleus mass; ``None`` for the baseline's.
        thinking_budget: Tokens after which the engine ends a thought; ``None`` for the baseline's.
        stop_loops: End a generation that repeats itself; ``None`` for the baseline's.
        thinking: The template's switch; ``None`` for the baseline's.
        system: System prompt that the baseline was asked with, in place of the tasks' own.
        seed: Base seed of the candidate's sampling.
        order_seed: Of the order in which items are read.
        window: Most requests under way, those that wait for a grader included; none is more than
            twice as far ahead of the oldest of them. ``None`` for as far ahead as the evidence is
            from a verdict, at the least.
        undecided: Whether an undecided gate holds a checkpoint back: ``fail`` or ``neutral``.
        chosen_on: Tasks on which the baseline ``best`` is the best.
        baseline_fixed: The baseline was chosen before its scores on these tasks were known.
    """

    tasks: tuple[str, ...] = ()
    suite: str | None = None
    defaults: TaskConfig = TaskConfig()
    by_task: Mapping[str, TaskConfig] = field(default_factory=dict)
    suite_margin: float | str | None = None
    alpha: float = 0.05
    power: float = 0.8
    guard_share: float = 0.2
    top_p: float | None = None
    thinking_budget: int | None = None
    stop_loops: bool | None = None
    thinking: bool | None = None
    system: str | None = None
    seed: int = 0
    order_seed: int = 0
    window: int | None = None
    undecided: str = "fail"
    chosen_on: tuple[str, ...] = ()
    baseline_fixed: bool = False

    def of(self, task: str) -> TaskConfig:
        """Return what holds for a task."""
        return self.by_task.get(task, self.defaults)

    def tiers(self, tasks: Sequence[str]) -> dict[str, Tier]:
        """Return the tier of each task of a gate; a suite of one task is that task's own test.

        Raises:
            HarnessError: Every task is advisory, so that there would be nothing to decide.
        """
        tiers = {task: self.of(task).tier for task in tasks}
        counted = [task for task, tier in tiers.items() if tier is not Tier.ADVISORY]
        if not counted:
            raise HarnessError(
                f"All tasks of this gate ({', '.join(tasks)}) are advisory, so that nothing could "
                "pass or fail.",
                'Give one of them tier = "required".',
            )
        return tiers | {task: Tier.REQUIRED for task in counted if len(counted) == 1}

    def as_dict(self) -> dict[str, Any]:
        """Return all of it, for the record."""
        return asdict(self)


Check = Callable[[Any], bool]


def _number(value: Any) -> bool:
    finite = isinstance(value, int | float) and math.isfinite(value)
    return finite and not isinstance(value, bool)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) and name for name in value)


def margin_of(margin: float | str, score: float) -> float:
    """Return a margin as a share.

    Args:
        margin: In points, or as a text like ``"5%"`` a share of the baseline's score.
        score: The baseline's stored score, a share.
    """
    if isinstance(margin, str):
        return _percentage(margin) / 100 * score
    return margin / 100


def _percentage(text: str) -> float:
    """Return the number in a text like ``"5%"``; 0, which is no margin, for any other text."""
    found = re.fullmatch(r"([0-9]{1,2}(?:\.[0-9]{1,6})?) ?%", text)
    return float(found[1]) if found else 0.0


def _margin(value: Any) -> bool:
    points = _percentage(value) if isinstance(value, str) else value
    return _number(points) and 0 < points < 100


_MARGIN = (
    _margin,
    'a number of points above 0, or a text like "5%" for a share of the baseline\'s score',
)
_TOLERANCE = (lambda value: _number(value) and 0 <= value < 100, "a number of points, 0 or more")
_SHARE = (lambda value: _number(value) and 0 < value < 1, "a number between 0 and 1")
_COUNT = (lambda value: _whole(value) and value > 0, "a whole number above 0")
_SEED = (lambda value: _whole(value) and 0 <= value < 1 << 63, "a whole number, 0 or more")
_SWITCH = (lambda value: isinstance(value, bool), "true or false")
_TEXT = (lambda value: isinstance(value, str), "a text")
_LIST = (_names, "a list of names")
_TABLE = (lambda value: isinstance(value, dict), "a table")

# What a value must be, as a check and in words.
_GUARD_KEYS: dict[str, tuple[Check, str]] = dict.fromkeys(
    ("truncation", "no_answer", "loop", "grader_failure"), _TOLERANCE
)
_TASK_KEYS: dict[str, tuple[Check, str]] = {
    "margin": _MARGIN,
    "target": (lambda value: value in _TARGETS, " or ".join(f'"{name}"' for name in _TARGETS)),
    "tier": (lambda value: value in list(Tier), '"required", "suite" or "advisory"'),
    "better": (lambda value: value in ("higher", "lower"), '"higher" or "lower"'),
    "samples": _COUNT,
    "limit": _COUNT,
    "max_tokens": _COUNT,
    "temperature": (lambda value: _number(value) and value >= 0, "a number, 0 or more"),
    "guards": _TABLE,
}
_KEYS: dict[str, tuple[Check, str]] = _TASK_KEYS | {
    "tasks": _LIST,
    "suite": _TEXT,
    "task": _TABLE,
    "suite_margin": _MARGIN,
    "alpha": (lambda value: _number(value) and 0 < value <= 0.5, "a number above 0, at most 0.5"),
    "power": _SHARE,
    "guard_share": _SHARE,
    "top_p": (lambda value: _number(value) and 0 < value <= 1, "a number above 0, at most 1"),
    "thinking_budget": (lambda value: _whole(value) and value >= 0, "a whole number, 0 or more"),
    "stop_loops": _SWITCH,
    "thinking": _SWITCH,
    "system": _TEXT,
    "seed": _SEED,
    "order_seed": _SEED,
    "window": _COUNT,
    "undecided": (lambda value: value in ("fail", "neutral"), '"fail" or "neutral"'),
    "chosen_on": _LIST,
    "baseline_fixed": _SWITCH,
}


def read_config(path: Path | None) -> GateConfig:
    """Read ``gate.toml``; without one, everything is at its default.

    Raises:
        HarnessError: It cannot be read, holds an unknown key, or a value makes no sense.
    """
    if path is None:
        return GateConfig()
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise HarnessError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise HarnessError(f"{path} is not TOML: {error}.", _REMEDY) from error
    return _gate_config(content, str(path))


def _gate_config(content: Mapping[str, Any], file: str) -> GateConfig:
    _check(content, _KEYS, file)
    defaults = _task_config(content, TaskConfig(), file)
    by_task = {}
    for name, own in content.get("task", {}).items():
        where = f"{file} [task.{name}]"
        if not isinstance(own, dict):
            raise HarnessError(f"{where} is not a table.", _REMEDY)
        _check(own, _TASK_KEYS, where)
        by_task[name] = _task_config(own, defaults, where)
    of_the_gate: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in content.items()
        if name not in _TASK_KEYS and name != "task"
    }
    config = GateConfig(defaults=defaults, by_task=by_task, **of_the_gate)
    _refuse_idle_tables(config, file)
    return config


def _task_config(content: Mapping[str, Any], defaults: TaskConfig, where: str) -> TaskConfig:
    given = {name: content[name] for name in _TASK_KEYS if name in content}
    if "guards" in given:
        _check(given["guards"], _GUARD_KEYS, f"{where} guards")
        given["guards"] = replace(defaults.guards, **given["guards"])
    if "tier" in given:
        given["tier"] = Tier(given["tier"])
    return replace(defaults, **given)


def _check(content: Mapping[str, Any], keys: Mapping[str, tuple[Check, str]], where: str) -> None:
    for name, value in content.items():
        if name not in keys:
            raise HarnessError(f"{where} has no key {name!r}. {nearest(name, keys)}", _REMEDY)
        fits, wanted = keys[name]
        if not fits(value):
            raise HarnessError(f"{where}: {name} = {value!r} is not {wanted}.", _REMEDY)


def _refuse_idle_tables(config: GateConfig, file: str) -> None:
    """A table of a task that is not gated on is most likely a slip of the pen."""
    if config.suite is not None or not config.tasks:
        return
    for name in config.by_task:
        if name not in config.tasks:
            raise HarnessError(
                f"{file} [task.{name}] is about no task of the gate. {nearest(name, config.tasks)}",
                "Add it to tasks, or take the table out.",
            )


def task_names(
    config: GateConfig, named: Sequence[str], suite: str | None
) -> tuple[Sequence[str], str | None]:
    """Return the tasks and the suite to gate on: the command line's, else the configuration's."""
    if named or suite:
        return named, suite
    if config.tasks or config.suite:
        return config.tasks, config.suite
    return list(config.by_task), None
