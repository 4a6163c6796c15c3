"""Journals: what is damaged or does not fit, whose they are, and results files that go away."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.errors import HarnessError, JournalRejected, ResultsMoved
from harness.run.evaluate import open_results
from harness.store import Journal, Store, annotation_queue, queries, recover, run_lock
from tests.conftest import Finished
from tests.store.rows import (
    generation,
    grade,
    item,
    left_by_an_earlier_version,
    model,
    request,
    run,
)

Harness = Callable[..., Finished]

APPENDS = """
import sys, time
from pathlib import Path
from harness.store import Journal, Store
from tests.store.rows import generation
journal = Journal(Store(Path(sys.argv[1])))
for number in range(100_000):
    journal.append("generation", generation(number))
    print(number, time.time(), flush=True)
    time.sleep(0.005)
"""

LEFT = """
import os, sys
from pathlib import Path
from harness.store import Journal, Store
from tests.store.rows import generation
journal = Journal(Store(Path(sys.argv[1]), wait_seconds=0))
for number in range(60):
    journal.append("generation", generation(number, answer=f"answer {number} \\u00fc\\u4e2d"))
journal.sync()
os._exit(0)
"""

COMES_AND_GOES = """
import sys
from pathlib import Path
from harness.store import Journal, Store, run_lock
store = Store(Path(sys.argv[1]))
for number in range(150):
    with run_lock(store, [f"{sys.argv[2]}{number}"]):
        pass
    if number % 15 == 0:
        Journal(store).close()
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "results.duckdb", wait_seconds=5)
    with store.write():
        pass
    return store


def _in_store(store: Store, what: str = "answer FROM generation ORDER BY key") -> list[Any]:
    with store.read() as connection:
        return [row[0] for row in connection.execute(f"SELECT {what}").fetchall()]


def _run_rows(number: int = 3) -> list[tuple[str, dict[str, Any]]]:
    rows = [("model", model()), ("run", run(items=number, requests=number))]
    for each in range(number):
        rows += [("item", item(each)), ("request", request(each))]
    return rows


def test_a_flipped_bit_costs_its_line_at_most_and_says_where_that_is(store: Store) -> None:
    subprocess.run([sys.executable, "-c", LEFT, str(store.path)], check=True)
    (file,) = store.journal_dir.glob("*/*.jsonl")
    whole = file.read_bytes()
    lines = whole.splitlines()
    ends = [at for at, byte in enumerate(whole) if byte == ord("\n")]
    # In the checksum, the table's name, a text, a number, and the two ends of lines.
    for at in (3, 25, whole.index(b"answer 7"), ends[20] - 90, ends[30], ends[-1]):
        other = Store(store.path.with_name(f"{at}.duckdb"))
        folder = other.journal_dir / file.parent.name
        folder.mkdir(parents=True)
        (folder / "owner.lock").touch()
        damaged = bytearray(whole)
        damaged[at] ^= 1
        (folder / file.name).write_bytes(damaged)
        if at in ends:
            assert recover(other) == 1
            assert len(_in_store(other)) == 60
            continue
        with pytest.raises(JournalRejected, match="1 row in the journal is damaged") as refused:
            recover(other)
        (aside,) = other.journal_dir.iterdir()
        assert str(aside) in refused.value.message
        assert aside.read_bytes().splitlines() == [
            line for line in bytes(damaged).splitlines() if line not in lines
        ]
        assert len(_in_store(other)) == 59
        assert recover(other) == 0, "it is reported once"


def test_the_command_that_meets_damage_goes_on_and_doctor_lists_it(
    store: Store, harness: Harness
) -> None:
    file = left_by_an_earlier_version(store, *_run_rows(), ("generation", generation(1)))
    file.write_bytes(file.read_bytes() + b'{"table": "generation", "row": {"key"\n')
    first = harness("runs", "--results", store.path, "--json")
    assert (first.code, first.json[0]["generated"]) == (0, 1)
    assert "1 row in the journal is damaged" in first.err
    assert harness("runs", "--results", store.path).err == ""
    found = harness("doctor", "--results", store.path, "--json").json
    (aside,) = [one["found"] for one in found if one["what"] == "set aside"]
    assert "set-aside-0123456789ab.jsonl" in aside


def test_journals_of_earlier_versions_are_taken_in(store: Store) -> None:
    rows = [*_run_rows(), ("generation", generation(0)), ("grade", grade(0, correct=True))]
    file = left_by_an_earlier_version(store, *rows)
    torn = json.dumps({"table": "generation", "row": generation(1)})
    file.write_text(file.read_text() + torn[: len(torn) // 2])
    left_by_an_earlier_version(store, ("generation", generation(2)), name=".rejected-abcdefabcdef")
    assert recover(store) == 2
    (summary,) = queries.runs(store)
    assert (summary.generated, summary.graded) == (2, 1)
    assert not store.journal_dir.exists()


@pytest.mark.parametrize("through", ["journal", "earlier version"])
def test_numbers_that_no_column_holds_cost_no_other_row(store: Store, through: str) -> None:
    claims: list[Any] = [20, 10**30, -7, math.nan, math.inf, 2**40, "many"]
    rows = [
        ("generation", generation(number) | {"completion_tokens": claim, "seconds": claim})
        for number, claim in enumerate(claims)
    ]
    rows += [("request", request(0)), ("request", request(1) | {"sample_index": 2**40})]
    rows += [("generation", generation(9) | {"answer": None})]
    with pytest.raises(JournalRejected, match="2 rows"):
        if through == "journal":
            with Journal(store) as journal:
                for table, row in rows:
                    journal.append(table, row)
        else:
            left_by_an_earlier_version(store, *rows)
            recover(store)
    tokens = _in_store(store, "completion_tokens FROM generation ORDER BY key")
    assert tokens == [20, None, None, None, None, None, None]
    seconds = _in_store(store, "seconds FROM generation ORDER BY key")
    assert seconds == [20, 1e30, None, None, None, 2.0**40, None]
    assert len(_in_store(store, "key FROM request")) == 1
    (aside,) = store.journal_dir.glob("set-aside-*.jsonl")
    assert [json.loads(line)["table"] for line in aside.read_text().splitlines()] == [
        "request",
        "generation",
    ]


def test_nothing_that_is_not_a_journal_is_touched_beside_a_results_file(tmp_path: Path) -> None:
    store = Store(tmp_path / "exp")
    notes = tmp_path / "exp.journal" / "notes"
    kept = [notes / "a.txt", notes / "x.jsonl", store.journal_dir / "0123456789ab" / "b.jsonl"]
    for file in kept:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("mine, and without an end")
    with Journal(store) as journal, run_lock(store, ["../../a b"]):
        journal.append("generation", generation(1))
    recover(store)
    annotation_queue.flush(store)
    assert len(_in_store(store)) == 1
    assert [file.read_text() for file in kept] == ["mine, and without an end"] * 3
    inside = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert inside == sorted([store.path, *kept])


def test_journals_are_not_followed_through_links(store: Store, harness: Harness) -> None:
    home = store.path.with_name("home")
    (home / "photos").mkdir(parents=True)
    stolen = Store(home / "x")
    theirs = left_by_an_earlier_version(stolen, ("generation", generation(1))).parent
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}

    store.journal_dir.symlink_to(stolen.journal_dir)
    listed = harness("runs", "--results", store.path)
    assert listed.code == 0 and "is a link" in listed.err
    with pytest.raises(HarnessError, match="is a link"):
        Journal(store)
    with pytest.raises(HarnessError, match="is a link"), run_lock(store, ["a"]):
        pass
    with pytest.raises(HarnessError, match="is a link"):
        annotation_queue.record(store, "human_label", {})
    store.journal_dir.unlink()

    store.journal_dir.mkdir()
    (store.journal_dir / "fedcba987654").symlink_to(theirs)
    folder = left_by_an_earlier_version(store, ("generation", generation(2))).parent
    (folder / "000002.jsonl").symlink_to(theirs / "000001.jsonl")
    (store.journal_dir / "said-0123456789ab.jsonl").symlink_to(theirs / "000001.jsonl")
    with pytest.raises(JournalRejected, match="not followed through links") as refused:
        recover(store)
    for name in ("fedcba987654", "000002.jsonl", "said-0123456789ab.jsonl"):
        assert name in refused.value.message
    assert len(_in_store(store)) == 1
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == before


def _announce(store: Store) -> Journal:
    journal = Journal(store)
    journal.register(_run_rows())
    journal.append("generation", generation(0))
    journal.move()
    return journal


def test_all_that_a_run_announces_is_kept_however_long_that_takes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.store.journal.MOVE_EVERY_SECONDS", 0.05)

    def slowly() -> Iterator[tuple[str, dict[str, Any]]]:
        for row in _run_rows():
            yield row
            time.sleep(0.1)

    journal = Journal(store)
    journal.register(slowly())
    store.path.unlink()
    journal.append("generation", generation(1))
    with pytest.raises(ResultsMoved):
        journal.close()
    open_results(Store(store.path), pytest.fail)
    (summary,) = queries.runs(store)
    assert (summary.requests, summary.generated) == (3, 1)
    assert len(_in_store(store, "item_id FROM request")) == 3


def test_a_file_moved_under_a_run_gets_the_rest_when_it_is_back(store: Store) -> None:
    journal = _announce(store)
    elsewhere = store.path.with_name("moved.duckdb")
    store.path.rename(elsewhere)
    journal.append("generation", generation(1))
    with pytest.raises(ResultsMoved, match="moved or deleted") as refused:
        journal.close()
    assert (
        "1 generation" in refused.value.message and str(store.journal_dir) in refused.value.message
    )
    with pytest.raises(JournalRejected, match="1 generation in"):
        recover(store)
    assert not store.path.exists(), "nothing but a new run makes a new file"
    store.journal_dir.rename(elsewhere.with_name(f"{elsewhere.name}.journal"))
    moved = Store(elsewhere)
    assert recover(moved) == 1
    assert queries.runs(moved)[0].generated == 2
    assert not moved.journal_dir.exists()


def test_rows_never_go_into_another_file_that_took_the_name(store: Store) -> None:
    journal = _announce(store)
    kept = store.path.with_name("kept.duckdb")
    store.path.rename(kept)
    other = Store(store.path)
    with Journal(other) as theirs:
        theirs.append("generation", generation(7))
    journal.append("generation", generation(1))
    with pytest.raises(ResultsMoved, match="taken the place"):
        journal.close()
    notices: list[str] = []
    open_results(other, notices.append)
    assert "1 generation in" in notices[0]
    assert len(_in_store(other)) == 1
    kept.replace(store.path)
    assert recover(Store(store.path)) == 1
    assert queries.runs(store)[0].generated == 2


def test_what_waits_for_a_lost_file_goes_into_the_new_one_that_a_run_makes(store: Store) -> None:
    journal = _announce(store)
    store.path.unlink()
    journal.append("generation", generation(1))
    with pytest.raises(ResultsMoved):
        journal.close()
    open_results(Store(store.path), pytest.fail)
    (summary,) = queries.runs(store)
    assert (summary.requests, summary.generated) == (3, 1)


def test_an_older_copy_put_in_place_of_the_file_gets_what_the_run_announced(store: Store) -> None:
    with Journal(store) as first:
        first.append("generation", generation(9))
    backup = store.path.read_bytes()
    with _announce(store) as journal:
        store.path.unlink()
        store.path.write_bytes(backup)
        journal.append("generation", generation(1))
    (summary,) = queries.runs(store)
    assert (summary.requests, summary.generated) == (3, 1)


@pytest.mark.parametrize("content", [b"", b"no database " * 500])
def test_a_file_overwritten_under_a_run_is_named_and_the_rows_wait(
    store: Store, content: bytes
) -> None:
    journal = _announce(store)
    whole = store.path.read_bytes()
    store.path.write_bytes(content)
    journal.append("generation", generation(1))
    with pytest.raises(HarnessError, match="1 generation"):
        journal.close()
    store.path.write_bytes(whole)
    assert recover(Store(store.path)) == 1
    assert queries.runs(store)[0].generated == 2


def test_runs_that_start_and_end_together_do_not_stumble_over_locks(store: Store) -> None:
    others = [
        subprocess.Popen([sys.executable, "-c", COMES_AND_GOES, str(store.path), name])
        for name in ("a", "b", "c")
    ]
    assert [other.wait(timeout=120) for other in others] == [0, 0, 0]
    assert not store.journal_dir.exists()


def test_the_lock_of_a_killed_run_does_no_harm_and_goes(store: Store) -> None:
    store.journal_dir.mkdir()
    left = store.journal_dir / "aaaaaaaaaaaa.running"
    left.touch()
    with run_lock(store, ["aaaaaaaaaaaa"]):
        recover(store)
        assert left.exists(), "its owner lives"
    left.parent.mkdir()
    left.touch()
    recover(store)
    assert not store.journal_dir.exists()


def test_a_kill_loses_at_most_the_last_second(store: Store) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", APPENDS, str(store.path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        seen = [writer.stdout.readline().split()]
        killer = threading.Timer(3.3, writer.kill)
        killer.start()
        seen += [line.split() for line in writer.stdout if line.count(" ") == 1]
        killed = time.time()
    recover(store)
    older = [int(number) for number, at in seen if float(at) < killed - 1]
    found = {
        int(key.replace("-", ""), 16) for key in _in_store(store, "key::VARCHAR FROM generation")
    }
    assert len(older) > 10
    assert set(older) <= found


def test_what_is_there_can_be_read_while_the_disk_is_full_and_a_journal_waits(
    tmp_path: Path, harness: Harness
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    try:
        store = Store(small / "results.duckdb")
        with Journal(store) as journal:
            for table, row in _run_rows():
                journal.append(table, row)
        rows = [("generation", generation(n, answer=os.urandom(300_000).hex())) for n in range(3)]
        file = left_by_an_earlier_version(store, *rows)
        free = os.statvfs(small).f_bavail * os.statvfs(small).f_bsize
        (small / "filler").write_bytes(b"x" * max(0, free - 4096))
        listed = harness("runs", "--results", store.path, "--json")
        assert (listed.code, len(listed.json)) == (0, 1), listed.err
        assert "is full" in listed.err
        assert file.exists()
        (small / "filler").unlink()
        subprocess.run(["mount", "-o", "remount,size=60m", str(small)], check=True)
        assert harness("runs", "--results", store.path, "--json").json[0]["generated"] == 3
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
