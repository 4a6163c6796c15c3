"""The output streams: any terminal, pipes that close, the logs of a CI server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.store import Journal, Store
from harness.text import clean
from tests.conftest import HARNESS, Finished
from tests.store import rows

Harness = Callable[..., Finished]

# What a runner does before it looks for a command: line ends are any of these, spaces are cut off.
LINE = re.compile(r"\r\n|\r|\n")
ATTACK = "\n::add-mask::x\r\u2003::stop-commands::y ##[add-path]z "
# Wrapped at 120 columns, the command would stand at the start of a line.
WRAPPED = "".join("w" * fill + "::add-mask::x" for fill in range(95, 125))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose model's name, items and answers are written against who prints them."""
    path = tmp_path_factory.mktemp("hostile") / "results.duckdb"
    name = f"::add-mask::x{ATTACK}"
    with Journal(Store(path)) as journal:
        journal.append("model", rows.model(name) | {"fingerprint": "fingerprint of it"})
        run = rows.run(items=2, requests=2) | {"model": "fingerprint of it", "task": ATTACK}
        journal.append("run", run)
        for number, answer in ((1, f"::add-mask::x{ATTACK * 3} – ∞ 数"), (2, WRAPPED)):
            journal.append("item", rows.item(number) | {"task": ATTACK, "question": ATTACK})
            journal.append("request", rows.request(number))
            journal.append("generation", rows.generation(number, answer=answer))
            journal.append("grade", rows.grade(number, correct=False) | {"extracted": ATTACK})
    return path


def _commands(printed: str) -> list[str]:
    """Return the lines that a runner would carry out."""
    lines = LINE.split(printed)
    return [line for line in lines if line.strip().startswith("::") or "##[" in line]


@pytest.mark.parametrize(
    "command",
    [
        ["show", "aaaaaaaaaaaa"],
        ["show", "aaaaaaaaaaaa", "--json"],
        ["runs"],
        ["models"],
        ["export", "--format", "csv", "--out", "{}/\n::add-mask::x.csv"],
        ["show", "\n::add-mask::x"],
        ["--debug", "show", "\n::add-mask::x"],
        ["no\n::add-mask::x"],
        ["runs", "--results", "{}/\n::add-mask::x/none.duckdb"],
    ],
)
def test_nothing_that_is_printed_is_a_command_to_a_ci_server(
    hostile: Path, tmp_path: Path, command: list[str], harness: Harness
) -> None:
    command = [part.format(tmp_path) for part in command]
    if "--results" not in command:
        command += ["--results", str(hostile)] if command[-1][:2] != "no" else []
    done = harness(*command)
    assert "add-mask" in done.out + done.err or command[0] in ("runs", "models"), done
    assert _commands(done.out) == _commands(done.err) == []


def test_a_run_whose_id_is_an_escape_sequence_does_nothing_to_the_terminal(
    tmp_path: Path, harness: Harness
) -> None:
    path, run_id = tmp_path / "results.duckdb", "\x1b[2Jaaaaaaaa"
    with Journal(Store(path)) as journal:
        journal.append("model", rows.model())
        journal.append("run", rows.run(items=1, requests=1) | {"id": run_id})
        journal.append("item", rows.item(0))
        journal.append("request", rows.request(0) | {"run_id": run_id})
        journal.append("generation", rows.generation(0))
        journal.append("grade", rows.grade(0, correct=True))
    done = harness("score", run_id, "--results", str(path))
    assert "aaaaaaaa  mean" in done.out
    assert "\x1b" not in done.out


def test_cleaned_text_holds_no_command() -> None:
    assert _commands(clean(f"::x::{ATTACK}##vso[task.x]")) == []
    assert clean("std::vector, a::b\n- ## [link]") == "std::vector, a::b\n- ## [link]"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_an_encoding_that_lacks_a_character_does_no_harm(hostile: Path, encoding: str) -> None:
    for name, code in (("aaaaaaaaaaaa", 0), ("数", 2)):
        done = subprocess.run(
            [*HARNESS, "show", name, "--results", str(hostile)],
            capture_output=True,
            env=os.environ | {"PYTHONIOENCODING": f"{encoding}:strict"},
            check=False,
            timeout=60,
        )
        assert done.returncode == code, done.stderr
        assert rb"\u6570" in done.stdout + done.stderr
        assert b"Traceback" not in done.stderr


PRINTING = [("show", "aaaaaaaaaaaa"), ("runs", "--json"), ("--help",)]


def _into(hostile: Path, stdout: int, *command: str) -> tuple[int, str]:
    done = subprocess.run(
        [*HARNESS, *command, *([] if "--help" in command else ["--results", str(hostile)])],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("command", PRINTING)
def test_a_reader_that_has_gone_ends_it_quietly(hostile: Path, command: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert _into(hostile, writing, *command) == (141, "")
    finally:
        os.close(writing)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("command", PRINTING)
def test_output_without_room_is_one_sentence(hostile: Path, command: tuple[str, ...]) -> None:
    with open("/dev/full", "wb") as full:
        code, error = _into(hostile, full.fileno(), *command)
    assert code == 2
    assert error.startswith("error: Standard output cannot be written to: No space left on device.")
    assert error.count("\n") == 1


def test_standard_error_without_room_stops_nothing(hostile: Path) -> None:
    program = (
        "import sys; sys.stderr = open('/dev/full', 'w');"
        f"sys.argv = ['harness', 'runs', '--json', '--results', {str(hostile)!r}];"
        "from harness.cli.main import main; from harness.cli.streams import take_streams;"
        "take_streams();"
        "print('x', file=sys.stderr); sys.stderr.flush(); main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0
    assert len(json.loads(done.stdout)) == 1
