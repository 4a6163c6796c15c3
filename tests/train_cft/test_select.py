"""Choosing among checkpoints: by rule on made-up scores, and in a sweep on a real engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.errors import EngineError
from harness.models.resolve import resolve_model
from harness.registry import load_task
from harness.statistics.intervals import wilson
from harness.store import Store, queries
from harness.store.training import training_choices
from harness.types import Completion, Model, Request
from tests.conftest import REPOSITORY, Finished
from tests.gate.simulated import Simulated
from tests.train_cft.conftest import TrainCft
from train_cft.report.select import Point, Rule, chosen_fingerprint, pick
from train_cft.train import manifest

ITEMS = 100


def picked(rule: Rule, *right: Sequence[int]) -> tuple[int, list[Point]]:
    """Choose among checkpoints that are right on these items of 100."""
    scores = [[float(item in chosen) for item in range(ITEMS)] for chosen in right]
    points = [
        Point(2 * place, "m", f"{place}", "run", wilson(len(chosen), ITEMS))
        for place, chosen in enumerate(right, start=1)
    ]
    return pick(points, scores, rule)


def test_the_best_is_the_earliest_of_equals() -> None:
    place, points = picked(Rule.BEST, range(50), range(60), range(40, 100), range(55))
    assert place == 1
    assert [point.against_best is None for point in points] == [False, True, False, False]


def test_the_earliest_is_not_shown_to_be_worse_than_the_best() -> None:
    # 50 right ones less: shown. 2 less: not shown.
    place, points = picked(Rule.EARLIEST, range(10), range(58), range(60), range(59))
    assert place == 1
    first, second, best, _ = points
    assert first.p_adjusted is not None and first.p_adjusted < 0.001
    assert second.p_adjusted is not None and second.p_adjusted > 0.05
    assert second.against_best is not None and second.against_best.effect == pytest.approx(-0.02)
    assert best.p_adjusted is None


def test_more_checkpoints_ask_for_more_evidence() -> None:
    better = [range(60), range(52)]  # p = 1/128 for 8 items lost and none won
    alone, points = picked(Rule.EARLIEST, better[1], better[0])
    assert (alone, points[0].p_adjusted) == (1, pytest.approx(1 / 128))
    many, points = picked(Rule.EARLIEST, *[better[1]] * 8, better[0])
    assert (many, points[0].p_adjusted) == (0, pytest.approx(8 / 128))


def test_one_checkpoint_is_chosen() -> None:
    assert picked(Rule.EARLIEST, range(3))[0] == 0


def run_train_cft(*arguments: object) -> Finished:
    """Run the command line as a process of its own, as whatever starts an engine must be."""
    done = subprocess.run(
        [sys.executable, "-m", "train_cft.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=900,
        cwd=REPOSITORY,
        env=dict(os.environ),
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    """A training's folder: two checkpoints that differ from the built-in model in the layers."""
    import torch
    from safetensors.torch import load_file, save_file

    out = tmp_path_factory.mktemp("trained") / "a-cft"
    weights = load_file(model_folder / "model.safetensors")
    torch.manual_seed(0)
    for step, noise in ((2, 0.02), (10, 0.6)):
        folder = manifest.checkpoint_path(out, step)
        shutil.copytree(model_folder, folder, ignore=shutil.ignore_patterns("*.safetensors"))
        disturbed: dict[str, Any] = {
            name: value + noise * value.std() * torch.randn_like(value)
            if ".layers.1" in name
            else value
            for name, value in weights.items()
        }
        save_file(disturbed, folder / "model.safetensors", {"format": "pt"})
        fingerprint = resolve_model(str(folder)).fingerprint
        facts = {"step": step, "fingerprint": fingerprint}
        manifest.write_json(folder.with_suffix(".json"), facts)
    items = load_task("quick").items()
    facts = {
        "id": "a-training",
        "name": "a-cft",
        "objective": "cft",
        "base": resolve_model("smollm2-135m").fingerprint,
        "base_name": "smollm2-135m",
        "seed": 0,
        "data_sha256": "d" * 64,
        "planned_steps": 12,
        "exempt": {"quick": [item.id for item in items[:3]]},
    }
    manifest.write_json(out / manifest.TRAINING, facts)
    return out


def test_a_sweep_in_one_engine_leaves_a_curve_and_a_choice(
    training: Path, results: Path, train_cft: TrainCft
) -> None:
    command = ["select", "--training", training, "--task", "quick", "--limit", 8]
    command += ["--max-tokens", 16, "--results", results, "--json"]
    swept = run_train_cft(*command)
    assert swept.code == 0, swept.err
    found = swept.json
    assert [point["step"] for point in found["curve"]] == [2, 10]
    assert found["base"]["model"] == "smollm2-135m"
    assert all(point["score"]["items"] == 8 for point in [found["base"], *found["curve"]])
    stderr = " ".join(swept.err.split())
    assert "3 of the 200 items of quick are in the training data" in stderr
    assert "200 of the 200 items of quick are asked by quick too" in stderr
    assert "could not be loaded: gsm8k" in stderr
    assert "The training has not ended: its last checkpoint is of step 10 of 12." in stderr

    store = Store(results)
    runs = {run.id: run for run in queries.runs(store)}
    assert len(runs) == 3 and all(run.complete for run in runs.values())
    with store.read() as connection:
        row = connection.execute(
            "SELECT max((usage->>'engine_starts')::INT), max((usage->>'weight_exchanges')::INT)"
            " FROM run_session"
        ).fetchone()
    assert row == (1, 2)
    (choice,) = training_choices(store, "a-training")
    assert (choice.task, choice.rule, choice.step) == ("quick", "earliest", found["step"])
    assert set(choice.runs) == {0, 2, 10} and set(choice.runs.values()) == set(runs)
    assert len(choice.warnings) == 4

    kept = json.loads((training / "chosen.json").read_text())
    assert kept["path"] == f"checkpoints/step-{found['step']}"
    assert chosen_fingerprint(training) == found["fingerprint"] == kept["fingerprint"]

    # The same again by another rule: nothing is generated, and so no engine is started.
    again = train_cft(*command[:-1], "--rule", "best")
    assert again.code == 0, again.err
    assert "chosen: step" in again.out and "it has the highest score" in again.out
    assert "starting the engine" not in again.err
    assert {one.rule for one in training_choices(store, "a-training")} == {"best", "earliest"}


@pytest.mark.slow
def test_a_sweep_on_a_cluster_is_the_sweep_of_one_engine(
    training: Path, results: Path, train_cft: TrainCft
) -> None:
    command = ["select", "--training", training, "--task", "quick", "--limit", 4]
    command += ["--max-tokens", 16, "--results", results, "--json"]
    swept = run_train_cft(*command, "--backend", "ray", "--replicas", 1)
    assert swept.code == 0, swept.err
    assert [point["step"] for point in swept.json["curve"]] == [2, 10]
    # What the cluster has generated, an engine of this machine does not generate again.
    again = train_cft(*command)
    assert again.code == 0, again.err
    assert "starting the engine" not in again.err
    assert [point["score"] for point in again.json["curve"]] == [
        point["score"] for point in swept.json["curve"]
    ]


class Refusing(Simulated):
    """An engine that answers 7, and cannot start with one of the checkpoints."""

    def open(self, name: str, revision: str | None) -> Model:
        return resolve_model(name, revision=revision)

    def start(
        self, model: Model, requests: Sequence[Request], *, longest: int
    ) -> Mapping[str, Any]:
        if model.name.endswith("step-10"):
            raise EngineError("Its weights are not finite.", "Train it again.")
        return {}

    def generate(self, requests: Iterable[Request | None]) -> Generator[Completion, None, None]:
        for request in requests:
            if request is not None:
                yield Completion(request.key, "7", (1,), "stop", 0.1)


def test_a_checkpoint_that_cannot_be_evaluated_is_left_out_and_named(
    training: Path, results: Path, train_cft: TrainCft, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.run.evaluate.load_backend", lambda name: Refusing)
    done = train_cft(
        *("select", "--training", training, "--task", "quick", "--limit", 4),
        *("--results", results, "--json"),
    )
    assert done.code == 0, done.err
    assert [point["step"] for point in done.json["curve"]] == [2] == [done.json["step"]]
    assert done.json["base"] is not None
    expected = "Step 10 cannot be evaluated and is left out: Its weights are not finite."
    assert any(warning.startswith(expected) for warning in done.json["warnings"])


def test_a_checkpoint_that_is_not_what_was_saved_is_refused(
    training: Path, tmp_path: Path, train_cft: TrainCft
) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(training, copied, copy_function=os.link)
    config = copied / "checkpoints" / "step-10" / "config.json"
    changed = json.loads(config.read_text()) | {"rope_theta": 1.0}
    config.unlink()
    config.write_text(json.dumps(changed))
    refused = train_cft("select", "--training", copied, "--task", "quick")
    assert refused.code == 2
    assert "is not the checkpoint that the training saved at step 10" in refused.err


def test_what_cannot_be_chosen_from_is_told(tmp_path: Path, train_cft: TrainCft) -> None:
    refused = train_cft("select", "--training", tmp_path)
    assert (refused.code, "holds no training" in refused.err) == (2, True)
    refused = train_cft("select", "--training", tmp_path, "--rule", "earlier")
    assert "Did you mean earliest?" in refused.err
