"""Trainings in several processes, by ourselves, by `torchrun` and by `accelerate launch`."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest

from harness.models.resolve import resolve_model
from tests.train_cft.conftest import TrainCft
from tests.train_cft.tiny_training import recipe_file, steps_of, train_arguments, train_process
from train_cft.train import manifest

pytestmark = pytest.mark.filterwarnings("ignore")
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
ACCELERATE = (sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu")
ACCELERATE += ("--num_processes", "2", "--num_machines", "1", "--main_process_port", "0")


def test_two_processes_train_as_one_does(
    uninterrupted: tuple[Path, Path, str], tiny: Path, data: Path, tmp_path: Path, results: Path
) -> None:
    arguments = train_arguments(
        recipe_file(tmp_path, tiny), data, tmp_path / "out", "--set", "schedule.epochs=3"
    )
    both = train_process(results, *arguments, "--processes", "2")
    out, err = both.communicate(timeout=900)
    assert both.returncode == 0, err
    whole, other_results, training = uninterrupted
    assert json.loads(out)["training"] == training, "processes are no part of what is trained"
    one, two = steps_of(other_results, training), steps_of(results, training)
    assert len(one) == len(two)
    for alone, together in zip(one, two, strict=True):
        assert together == pytest.approx(alone, rel=2e-4)


def test_two_processes_stop_together(tiny: Path, data: Path, tmp_path: Path, results: Path) -> None:
    arguments = train_arguments(
        recipe_file(tmp_path, tiny), data, tmp_path / "out", "--set", "schedule.epochs=20"
    )
    running = train_process(results, *arguments, "--processes", "2")
    assert running.stderr is not None
    for line in running.stderr:
        if line.startswith("step "):
            running.send_signal(signal.SIGTERM)
            break
    stderr = running.stderr.read()
    assert running.wait(timeout=300) == 2, stderr
    assert stderr.count("error:") == 1 and "Stopped after step" in stderr
    assert len(list((tmp_path / "out" / "resume").iterdir())) == 1


def test_every_process_reports_what_stopped_it(
    tiny: Path,
    tmp_path: Path,
    train_cft: TrainCft,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    missing = tmp_path / "missing"
    done = train_cft(*train_arguments(recipe_file(tmp_path, tiny), missing, tmp_path / "out"))
    assert done.code == 2 and done.err.startswith("process 1: ") and str(missing) in done.err


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [TORCHRUN, ACCELERATE], ids=["torchrun", "accelerate"])
def test_a_launcher_trains_as_one_process_does(
    launcher: tuple[str, ...],
    uninterrupted: tuple[Path, Path, str],
    tiny: Path,
    data: Path,
    tmp_path: Path,
    results: Path,
) -> None:
    arguments = train_arguments(
        recipe_file(tmp_path, tiny), data, tmp_path / "out", "--set", "schedule.epochs=3"
    )
    started = train_process(results, *arguments, launcher=launcher)
    out, err = started.communicate(timeout=900)
    assert started.returncode == 0, err
    _, other_results, training = uninterrupted
    assert json.loads(out)["training"] == training, "one process speaks"
    alone, together = steps_of(other_results, training), steps_of(results, training)
    assert [row[0] for row in alone] == [row[0] for row in together]
    for one, other in zip(alone, together, strict=True):
        assert other == pytest.approx(one, rel=2e-4)
    for saved in manifest.read(tmp_path / "out").checkpoints:
        assert resolve_model(str(saved.path)).fingerprint == saved.fingerprint


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"ACCELERATE_USE_FSDP": "true"}, "asked for ACCELERATE_USE_FSDP=true"),
        ({"ACCELERATE_MIXED_PRECISION": "bf16"}, "asked for ACCELERATE_MIXED_PRECISION=bf16"),
        (
            {"ACCELERATE_MIXED_PRECISION": "no", "MASTER_ADDR": "127.0.0.1"},
            "`accelerate launch` on a CPU does not give its processes their places",
        ),
        ({"OMPI_COMM_WORLD_SIZE": "2"}, "mpirun does not give its processes their places"),
    ],
)
def test_what_a_launcher_would_change_unseen_is_refused(
    environment: dict[str, str],
    said: str,
    tiny: Path,
    data: Path,
    tmp_path: Path,
    train_cft: TrainCft,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = train_cft(*train_arguments(recipe_file(tmp_path, tiny), data, tmp_path / "out"))
    assert done.code == 2 and said in done.err
    assert not (tmp_path / "out").exists()
