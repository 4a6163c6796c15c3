"""``gate.toml``: what a gate decides and how much error it may spend, every key validated.

Margins, tolerances and rates are in points (percent of the items); the statistics take shares.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le, Lt, MinLen, Predicate

from harness.errors import HarnessError, nearest
from harness.types import NEW_ITEMS

_REMEDY = "docs/gate.md lists all keys with their meaning."
# How pydantic validates the classes below: nothing is converted, and infinities are refused.
_STRICT = {"strict": True, "allow_inf_nan": False}
# What a value of the wrong type should be, in TOML's words; pydantic's are JSON's.
_MARGIN = 'a number of points above 0, or a text like "5%" for a share of the baseline\'s score'
_IN_TOML = {
    "int_type": "a whole number",
    "bool_type": "true or false",
    "tuple_type": "a list of names",
    "dataclass_type": "a table",
    "dict_type": "a table",
    "string_type": "a text",
    "float_type": "a number",
}


def _percentage(text: str) -> float:
    """Return the number in a text like ``"5%"``; 0, which is no margin, for any other text."""
    found = re.fullmatch(r"([0-9]{1,2}(?:\.[0-9]{1,6})?) ?%", text)
    return float(found[1]) if found else 0.0


def _is_margin(value: float | str) -> bool:
    if 0 < (_percentage(value) if isinstance(value, str) else value) < 100:
        return True
    raise ValueError(_MARGIN)


Margin = Annotated[float | str, Predicate(_is_margin)]
Tolerance = Annotated[float, Ge(0), Lt(100)]
Share = Annotated[float, Gt(0), Lt(1)]
Count = Annotated[int, Gt(0)]
Seed = Annotated[int, Ge(0), Lt(1 << 63)]
Name = Annotated[str, MinLen(1)]


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
    """By how many points each failure rate may rise above the baseline's.

    Attributes:
        truncation: Answers cut off by their budget.
        no_answer: Answers in which no answer was found.
        loop: Answers that end in a repetition.
        grader_failure: Answers that the grader's infrastructure failed on.
    """

    __pydantic_config__: ClassVar = _STRICT

    truncation: Tolerance = 2.0
    no_answer: Tolerance = 2.0
    loop: Tolerance = 2.0
    grader_failure: Tolerance = 1.0


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
        limit: How many of the baseline's items, chosen by ``run.plan.limit_items``; ``None`` for
            all.
        max_tokens: Budget of new tokens; ``None`` for the baseline's, as for all sampling.
        temperature: 0 is greedy.
        guards: Tolerances.
    """

    __pydantic_config__: ClassVar = _STRICT

    margin: Margin = 3.0
    target: Literal["new items", "these items"] = NEW_ITEMS
    tier: Tier = Tier.REQUIRED
    better: Literal["higher", "lower"] = "higher"
    samples: Count | None = None
    limit: Count | None = None
    max_tokens: Count | None = None
    temperature: Annotated[float, Ge(0)] | None = None
    guards: Guards = Guards()


@dataclass(frozen=True, slots=True)
class GateConfig:
    """A gate's whole configuration.

    Attributes:
        tasks: What to gate on; empty for the tasks of the baseline's runs.
        suite: A named list of tasks, in addition to ``tasks`` or in place of it.
        defaults: What holds for a task unless it says otherwise.
        by_task: What single tasks say.
        suite_margin: Smallest mean drop over the tasks that must not pass; ``None`` for ``margin``.
        alpha: Greatest probability of failing an equal candidate, and of passing one at a margin.
        power: Chance of a decision that the remarks on the size of a gate are made for.
        guard_share: Share of ``alpha`` that the guards get together.
        top_p: Nucleus sampling; ``None`` for the baseline's.
        thinking_budget: Tokens after which the engine ends a thought; ``None`` for the baseline's.
        stop_loops: End a generation that repeats itself; ``None`` for the baseline's.
        thinking: The template's switch; ``None`` for the baseline's.
        system: System prompt that the baseline was asked with, in place of the tasks' own.
        seed: Base seed of the candidate's sampling.
        order_seed: Of the order in which items are read.
        window: Maximum number of concurrent requests, those that wait for a grader included; none
            is more than twice as far ahead of the oldest of them. ``None`` for as far ahead as the
            evidence is from a verdict, at the least.
        undecided: Whether an undecided gate holds a checkpoint back: ``fail`` or ``neutral``.
        chosen_on: Tasks on which the baseline ``best`` is the best.
        baseline_fixed: The baseline was chosen before its scores on these tasks were known.
    """

    __pydantic_config__: ClassVar = _STRICT

    tasks: tuple[Name, ...] = ()
    suite: str | None = None
    defaults: TaskConfig = TaskConfig()
    by_task: Mapping[str, TaskConfig] = field(default_factory=dict)
    suite_margin: Margin | None = None
    alpha: Annotated[float, Gt(0), Le(0.5)] = 0.05
    power: Share = 0.8
    guard_share: Share = 0.2
    top_p: Annotated[float, Gt(0), Le(1)] | None = None
    thinking_budget: Annotated[int, Ge(0)] | None = None
    stop_loops: bool | None = None
    thinking: bool | None = None
    system: str | None = None
    seed: Seed = 0
    order_seed: Seed = 0
    window: Count | None = None
    undecided: Literal["fail", "neutral"] = "fail"
    chosen_on: tuple[Name, ...] = ()
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


def margin_of(margin: float | str, score: float) -> float:
    """Return a margin as a share.

    Args:
        margin: In points, or as a text like ``"5%"`` a share of the baseline's score.
        score: The baseline's stored score, a share.
    """
    if isinstance(margin, str):
        return _percentage(margin) / 100 * score
    return margin / 100


_GUARD_KEYS = [key.name for key in fields(Guards)]
_TASK_KEYS = [key.name for key in fields(TaskConfig)]
_GATE_KEYS = [key.name for key in fields(GateConfig) if key.name not in ("defaults", "by_task")]


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


def _gate_config(content: dict[str, Any], file: str) -> GateConfig:
    _refuse_unknown(content, [*_GATE_KEYS, *_TASK_KEYS, "task"], file)
    defaults = {key: content.pop(key) for key in _TASK_KEYS if key in content}
    _refuse_unknown(defaults.get("guards"), _GUARD_KEYS, f"{file} guards")
    tables = content.pop("task", {})
    for name, own in tables.items() if isinstance(tables, dict) else ():
        where = f"{file} [task.{name}]"
        if not isinstance(own, dict):
            raise HarnessError(f"{where} is not a table.", _REMEDY)
        _refuse_unknown(own, _TASK_KEYS, where)
        _refuse_unknown(own.get("guards"), _GUARD_KEYS, f"{where} guards")
        guards = [of["guards"] for of in (defaults, own) if "guards" in of]
        if guards and all(isinstance(of, dict) for of in guards):
            own["guards"] = guards[0] | guards[-1]
        tables[name] = defaults | own
    config = _validated(content | {"defaults": defaults, "by_task": tables}, file)
    _refuse_idle_tables(config, file)
    return config


def _refuse_unknown(table: Any, keys: Iterable[str], where: str) -> None:
    for name in table if isinstance(table, dict) else ():
        if name not in keys:
            raise HarnessError(f"{where} has no key {name!r}. {nearest(name, keys)}", _REMEDY)


def _validated(content: Mapping[str, Any], file: str) -> GateConfig:
    # Only a gate with a gate.toml needs pydantic, which takes longer to import than the rest.
    from pydantic import TypeAdapter, ValidationError

    try:
        # As JSON, whose lists may become tuples and whose texts may name a tier.
        return TypeAdapter(GateConfig).validate_json(
            json.dumps(content, default=lambda date: {"date": str(date)})
        )
    except ValidationError as error:
        first = error.errors()[0]
    table, *rest = (str(part) for part in first["loc"])
    where, path = file, [table, *rest]
    if table == "defaults":
        path = rest
    elif table == "by_task":
        where, path = (f"{file} [task.{rest[0]}]", rest[1:]) if rest else (file, ["task"])
    if path[0] == "guards" and len(path) > 1:
        where, path = f"{where} guards", path[1:]
    said = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    said = said.replace("'", '"') if "expected" in first.get("ctx", {}) else said
    wanted = _MARGIN if "margin" in path[0] else _IN_TOML.get(first["type"], said)
    raise HarnessError(f"{where}: {path[0]} = {first['input']!r} is not {wanted}.", _REMEDY)


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
