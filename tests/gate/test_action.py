"""The GitHub Action's own steps, run as plain shell with a real model on a real engine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import REPOSITORY, run_harness

ACTION = yaml.safe_load((REPOSITORY / "action.yml").read_text())
# Those items of ``quick`` that the built-in model mostly solves.
EASY = """
from dataclasses import replace
from tasks.quick import TASK as QUICK

def load():
    return (item for item in QUICK.load() if item.subject in ("products", "chain_sum"))

TASK = replace(QUICK, name="easy", load=load, max_tokens=48)
"""
EXPRESSION = re.compile(r"\$\{\{\s*([\w.-]+)\s*\}\}")


@dataclass(frozen=True)
class Ran:
    """How the action's steps ended."""

    code: int
    outputs: dict[str, str]
    summary: str
    log: str


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A scratch git repository."""
    folder = tmp_path / "repository"
    folder.mkdir()
    for command in (
        "git init --quiet",
        "git config user.email nobody@invalid",
        "git config user.name nobody",
        "git commit --quiet --allow-empty --message start",
    ):
        subprocess.run(command.split(), cwd=folder, check=True)
    return folder


def _run(repository: Path, inputs: dict[str, str]) -> Ran:
    """Do what a runner does: each ``run`` step in bash, with its environment filled in."""
    values = {f"inputs.{name}": str(of.get("default", "")) for name, of in ACTION["inputs"].items()}
    values |= {f"inputs.{name}": value for name, value in inputs.items()}
    values["github.action_path"] = str(REPOSITORY)
    files = {name: repository.parent / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for file in files.values():
        file.write_text("")
    log, code = "", 0
    for step in ACTION["runs"]["steps"]:
        if "run" not in step or code:
            continue
        assert "${{" not in step["run"], "what is given must not become shell"
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = os.environ | {name: str(file) for name, file in files.items()}
        environment |= {"PATH": path} | _filled(step.get("env", {}), values)
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=repository,
            env=environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        log += done.stdout + done.stderr
        code = done.returncode
        outputs = dict(
            line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines()
        )
        if "id" in step:
            values |= {f"steps.{step['id']}.outputs.{n}": value for n, value in outputs.items()}
    return Ran(code, outputs, files["GITHUB_STEP_SUMMARY"].read_text(), log)


def _filled(environment: dict[str, Any], values: dict[str, str]) -> dict[str, str]:
    return {
        name: EXPRESSION.sub(lambda match: values[match[1]], str(value))
        for name, value in environment.items()
    }


def _noisy(model: Path, target: Path, strength: float) -> Path:
    """Copy a checkpoint with Gaussian noise added to its weights, as a share of their spread."""
    import torch
    from safetensors.torch import load_file, save_file

    shutil.copytree(model, target)
    generator = torch.Generator().manual_seed(0)
    for file in target.glob("*.safetensors"):
        weights = load_file(file)
        for name, weight in weights.items():
            if weight.dim() > 1:
                noise = torch.randn(weight.shape, generator=generator)
                spread = weight.float().std()
                weights[name] = (weight.float() + strength * spread * noise).to(weight.dtype)
        save_file(weights, file, metadata={"format": "pt"})
    return target


def test_its_steps_pass_a_sound_checkpoint_and_fail_a_broken_one(
    model_folder: Path, repository: Path
) -> None:
    (repository / "tasks").mkdir()
    (repository / "tasks" / "easy.py").write_text(EASY)
    results = ("--tasks-dir", repository / "tasks", "--results", repository / "results.duckdb")
    baseline = run_harness("eval", "--model", model_folder, "--tasks", "easy", *results, "--json")
    (repository / "gate.toml").write_text("margin = 25.0\nalpha = 0.2\nwindow = 16\n")
    _noisy(model_folder, repository / "checkpoints" / "sound", 0.0005)
    _noisy(model_folder, repository / "checkpoints" / "broken", 2.0)
    asked = {"baseline": baseline.json["runs"][0]["id"], "config": "gate.toml"}
    asked["arguments"] = "--tasks-dir tasks"

    sound = _run(repository, asked | {"checkpoint": "checkpoints/sound"})
    assert (sound.code, sound.outputs["outcome"]) == (0, "pass"), sound.log
    assert "pass" in sound.summary and "<code>sound</code>" in sound.summary

    broken = _run(repository, asked | {"checkpoint": "checkpoints/broken"})
    assert (broken.code, broken.outputs["outcome"]) == (1, "fail"), broken.log
    assert (repository / "gate-report" / "gate.xml").read_text().count("<failure") >= 1


@pytest.mark.parametrize(
    ("said", "outcome", "blocks", "code"),
    [
        ("", "undecided", True, 3),
        ("", "undecided", False, 0),
        ("fail", "undecided", False, 3),
        ("neutral", "undecided", True, 0),
        ("neutral", "fail", True, 1),
        ("neutral", "error", True, 4),
        ("", "pass", False, 0),
    ],
)
def test_undecided_holds_a_checkpoint_back_or_not(
    repository: Path, said: str, outcome: str, blocks: bool, code: int
) -> None:
    (repository / "gate-report").mkdir()
    (repository / "gate-report" / "gate.json").write_text(f'{{\n  "blocks": {str(blocks).lower()}')
    verdict = ACTION["runs"]["steps"][-1]
    codes = {"pass": "0", "fail": "1", "undecided": "3", "error": "4"}
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", verdict["run"]],
        cwd=repository,
        env=os.environ | {"OUTCOME": outcome, "CODE": codes[outcome], "UNDECIDED": said},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert ("::warning::" in done.stdout) == (outcome == "undecided" and code == 0)


def test_what_is_given_reaches_the_shell_as_data(repository: Path) -> None:
    hostile = "none; touch pwned; $(touch pwned) `touch pwned`"
    (repository / "gate-report").mkdir()
    (repository / "gate-report" / "gate.md").write_text("<img src=x> of the branch")
    done = _run(repository, {"checkpoint": hostile, "baseline": hostile, "arguments": ""})
    assert (done.code, done.outputs["outcome"]) == (2, "error")
    assert not (repository / "pwned").exists()
    assert "of the branch" not in done.summary


def test_what_it_says_of_its_inputs_is_complete() -> None:
    for name, entry in (ACTION["inputs"] | ACTION["outputs"]).items():
        assert entry["description"].endswith("."), name
    used = set(re.findall(r"inputs\.([\w-]+)", (REPOSITORY / "action.yml").read_text()))
    assert used == set(ACTION["inputs"])
    documented = (REPOSITORY / "docs" / "gate.md").read_text()
    for workflow in re.findall(r"```yaml\n(.*?)```", documented, flags=re.DOTALL):
        yaml.safe_load(workflow)
    given = re.search(r"with:\n((?:          .*\n)+)", documented)
    assert given and set(yaml.safe_load(given[1])) <= set(ACTION["inputs"])
