"""What a training removes in its folder: its own steps, and nothing of anybody else's."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import HarnessError
from train_cft.train import checkpoint_files, manifest


def _made(out: Path) -> Path:
    made = out / checkpoint_files.SCRATCH / "state"
    made.mkdir(parents=True)
    return made


def test_a_new_state_replaces_older_ones_and_leaves_the_rest(tmp_path: Path) -> None:
    states = tmp_path / manifest.RESUME
    for name in ("step-1", "step-two", "notes"):
        (states / name).mkdir(parents=True)
    checkpoint_files.publish_resume_state(_made(tmp_path), tmp_path, 2, 1.0)
    assert sorted(path.name for path in states.iterdir()) == ["notes", "step-2", "step-two"]


def test_nothing_is_removed_or_written_through_a_link(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "step-1").mkdir(parents=True)
    out = tmp_path / "out"
    made = _made(out)
    for name in (manifest.RESUME, manifest.CHECKPOINTS):
        (out / name).symlink_to(home)
    with pytest.raises(HarnessError, match="is a link"):
        checkpoint_files.publish_resume_state(made, out, 1, 1.0)
    with pytest.raises(HarnessError, match="is a link"):
        checkpoint_files.publish_checkpoint(made, out, 1, "name", {})
    checkpoint_files.drop_resume_state(out)
    checkpoint_files.clear_unfinished(out)
    (out / checkpoint_files.SCRATCH).symlink_to(home)
    checkpoint_files.clear_unfinished(out)
    assert [path.name for path in home.iterdir()] == ["step-1"]
    assert not (out / checkpoint_files.SCRATCH).is_symlink()
