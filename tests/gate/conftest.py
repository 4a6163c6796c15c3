"""A results file with a baseline, made by a simulated engine, and a gate on it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.statistics import simulation
from harness.statistics.sequential import Rule
from harness.statistics.simulation import PlannedTask
from tests.conftest import Finished
from tests.gate.simulated import TASK_FILE, Judging, Simulated

ITEMS = 400


@pytest.fixture(scope="session")
def tasks_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tasks of sums, one like them whose text is to be kept to itself, and a hostile one."""
    folder = tmp_path_factory.mktemp("tasks")
    for name, items, restricted, prefix in (
        ("sums", ITEMS, False, "sum"),
        ("more_sums", ITEMS // 2, False, "more"),
        ("secret", ITEMS // 2, True, "rec"),
        ("hostile", 60, False, "<img src=x>|`](http://hostile.invalid) @everyone"),
        ("contest", 30, False, "contest"),
    ):
        text = TASK_FILE.format(name=name, items=items, restricted=restricted, prefix=prefix)
        (folder / f"{name}.py").write_text(text)
    return folder


Call = Callable[..., Finished]
_SIMULATIONS: dict[object, list[simulation.Simulated]] = {}


def _simulate_gate_once(
    tasks: Sequence[PlannedTask], suite: Rule | None = None, *, gates: int = 1000, seed: int = 0
) -> list[simulation.Simulated]:
    """Call ``simulate_gate``, which is seeded, once for the same arguments in all tests."""
    arrays = (task.differences for task in tasks)
    key = (
        tuple((task.rule, task.units, task.width, task.in_suite) for task in tasks),
        tuple((of.values.tobytes(), of.chances.tobytes()) for of in arrays),
        (suite, gates, seed),
    )
    if key not in _SIMULATIONS:
        _SIMULATIONS[key] = simulation.simulate_gate(tasks, suite, gates=gates, seed=seed)
    return _SIMULATIONS[key]


@pytest.fixture(autouse=True)
def _simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    for user in ("harness.statistics.planning", "harness.gate.preflight"):
        monkeypatch.setattr(f"{user}.simulate_gate", _simulate_gate_once)
    for user in ("harness.run.evaluate", "harness.gate.run"):
        monkeypatch.setattr(f"{user}.load_backend", lambda name: Simulated)
        monkeypatch.setattr(f"{user}.GraderPool", Judging)
    monkeypatch.setattr(Simulated, "handed_over", staticmethod(lambda key: None))


def made_baseline(folder: Path, tasks_dir: Path, tasks: str, *more: str) -> Path:
    """Return a results file in which the model ``base`` has been evaluated."""
    results = folder / "results.duckdb"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.run.evaluate.load_backend", lambda name: Simulated)
        patch.setattr("harness.run.evaluate.GraderPool", Judging)
        patch.setattr(
            sys, "argv", ["harness", "eval", "--model", "base", "--tasks", tasks, *more]
            + ["--tasks-dir", str(tasks_dir), "--results", str(results), "--json"],
        )  # fmt: skip
        from harness.cli.main import main

        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == 0
    return results


@pytest.fixture(scope="session")
def _baseline(tmp_path_factory: pytest.TempPathFactory, tasks_dir: Path) -> Path:
    """The model ``base`` with four samples an item."""
    folder = tmp_path_factory.mktemp("baseline")
    return made_baseline(folder, tasks_dir, "sums,more_sums,secret,hostile", "--n", "4")


@pytest.fixture
def results(_baseline: Path, tmp_path: Path) -> Path:
    """A results file with the baseline, for one test."""
    return Path(shutil.copy(_baseline, tmp_path / "results.duckdb"))


@pytest.fixture
def gate(harness: Call, results: Path, tasks_dir: Path) -> Callable[..., Finished]:
    """Call ``harness gate`` on that file, on the task ``sums`` unless another is named."""

    def call(candidate: str | None, *more: object, tasks: str = "sums", **config: Any) -> Finished:
        arguments: list[object] = ["gate", "--results", results, "--tasks-dir", tasks_dir]
        arguments += ["--tasks", tasks] if tasks else []
        arguments += ["--candidate", candidate] if candidate else []
        if "--baseline" not in more:
            arguments += ["--baseline", "base"]
        if config:
            path = results.with_name("gate.toml")
            path.write_text(_toml(config))
            arguments += ["--config", path]
        return harness(*arguments, *more)

    return call


def _toml(config: dict[str, Any]) -> str:
    """Write a flat configuration as TOML; a text is taken as it is."""
    return "".join(
        f"{name} = {str(value).lower() if isinstance(value, bool) else value}\n"
        for name, value in config.items()
    )
