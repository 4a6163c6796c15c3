"""No program that the command line starts takes modules from the folder that it is called in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.leaderboard.serving import serving

HARNESS = Path(sys.executable).with_name("harness")
# Of the standard library, of what the harness depends on, and its own packages.
NAMES = """
    fractions html pickle socket struct selectors tempfile threading json signal runpy fcntl
    resource multiprocessing concurrent asyncio
    sympy mpmath math_verify latex2sympy2_extended antlr4 numpy scipy pandas duckdb pyarrow pytz
    streamlit plotly tornado torch transformers openai ray rich typer
    harness tasks leaderboard train_cft sitecustomize usercustomize
"""


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder as it may be downloaded, whose modules leave a mark when they are loaded."""
    folder = tmp_path / "downloaded"
    folder.mkdir()
    mark = tmp_path / "loaded"
    for name in NAMES.split():
        code = f"with open({str(mark)!r}, 'a') as mark:\n    mark.write({name!r} + ' ')\n"
        (folder / f"{name}.py").write_text(code)
    row = {"id": 1, "gold": "x+1", "pred": "The answer is $1+x$.", "pred_is_full_response": True}
    (folder / "answers.jsonl").write_text(json.dumps(row))
    return folder


def loaded(folder: Path) -> str:
    mark = folder.parent / "loaded"
    return mark.read_text() if mark.exists() else ""


def test_grading_a_downloaded_file_runs_no_code_beside_it(hostile: Path) -> None:
    done = subprocess.run(
        [HARNESS, "grade", "answers.jsonl", "--out", "verdicts.jsonl"],
        cwd=hostile,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert loaded(hostile) == ""
    verdict = json.loads((hostile / "verdicts.jsonl").read_text())
    assert (verdict["correct"], verdict["status"]) == (True, "ok")


def test_the_leaderboard_of_a_downloaded_file_runs_no_code_beside_it(hostile: Path) -> None:
    with serving(hostile / "results.duckdb", hostile):
        assert loaded(hostile) == ""


def test_the_leaderboard_takes_no_settings_from_the_current_folder(tmp_path: Path) -> None:
    folder = tmp_path / "downloaded"
    (folder / ".streamlit").mkdir(parents=True)
    settings = "[server]\nenableCORS = false\nenableXsrfProtection = false\n"
    (folder / ".streamlit" / "config.toml").write_text(settings)
    with serving(Path("results.duckdb"), folder) as address:
        upgrade = {
            **{"Origin": "http://other.example", "Connection": "Upgrade", "Upgrade": "websocket"},
            **{"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="},
        }
        connection = HTTPConnection(address.removeprefix("http://"), timeout=20)
        connection.request("GET", "/_stcore/stream", headers=upgrade)
        assert connection.getresponse().status == 403, "a page of another site gets in"
        connection.close()


def test_a_module_that_hides_our_tasks_is_named(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text("")
    done = subprocess.run(
        [HARNESS, "tasks"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert f"{tmp_path / 'tasks.py'} is found before the harness's own package" in done.stderr
    assert "PYTHONPATH" in done.stderr
