"""The pool ends everything in bounded time and harms no other answer."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from multiprocessing import forkserver
from pathlib import Path

import pytest

from harness.grading import GraderPool, worker
from harness.types import AnswerType, Status, Verdict

TOWER = r"\dfrac{5^{5^{5^{5^{5}}}} - 5}{16}"


@pytest.fixture(scope="module")
def bare() -> Iterator[GraderPool]:
    """A pool of the bare library, which the tower hangs."""
    with GraderPool(workers=2, cpu_seconds=1.0, profile="math-verify") as pool:
        yield pool


def ask(pool: GraderPool, gold: str, answer: str) -> Future[Verdict]:
    return pool.submit(gold=gold, response=f"So $\\boxed{{{answer}}}$", truncated=False)


def wait_until_dead(pids: list[int], seconds: float) -> list[int]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        pids = [pid for pid in pids if _alive(pid)]
        if not pids:
            break
        time.sleep(0.05)
    return pids


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def test_a_power_tower_times_out_while_others_are_answered(bare: GraderPool) -> None:
    assert ask(bare, "42", "42").result(20).correct
    started = time.monotonic()
    tower = ask(bare, "42", TOWER)
    assert ask(bare, "7", "7").result(20).correct
    assert not tower.done()
    verdict = tower.result(30)
    assert verdict.status is Status.TIMEOUT
    assert not verdict.correct
    assert time.monotonic() - started < 10
    started = time.monotonic()
    assert ask(bare, "8", "8").result(20).correct
    assert time.monotonic() - started < 2


def test_towers_on_every_worker_leave_the_pool_working(bare: GraderPool) -> None:
    towers = [ask(bare, str(50 + i), TOWER) for i in range(2)]
    easy = [ask(bare, str(i), str(i)) for i in range(50)]
    assert all(future.result(30).correct for future in easy)
    assert {future.result(30).status for future in towers} == {Status.TIMEOUT}
    assert ask(bare, "9", "9").result(10).correct


def test_the_tower_is_settled_by_strict_within_the_deadline() -> None:
    with GraderPool(workers=1, cpu_seconds=1.0) as pool:
        started = time.monotonic()
        assert ask(pool, TOWER, TOWER).result(20).correct
        assert not ask(pool, "42", TOWER).result(20).correct
        assert time.monotonic() - started < 10


def test_a_memory_bomb_is_reported_as_memory() -> None:
    scorer = f"{__name__}:fill_memory"
    with GraderPool(workers=1, memory_bytes=1 << 28, scorers=[scorer]) as pool:
        bomb = pool.submit(gold="", response="", truncated=False, scorer=scorer)
        assert bomb.result(20).status is Status.MEMORY
        assert ask(pool, "2", "2").result(20).correct


def fill_memory(reference: str, response: str, truncated: bool) -> Verdict:
    return Verdict(correct=bool(bytearray(1 << 31)), status=Status.OK)


@pytest.mark.parametrize("busy", [False, True])
def test_a_worker_killed_from_outside_is_replaced(busy: bool) -> None:
    with GraderPool(workers=1, cpu_seconds=3.0, profile="math-verify") as pool:
        assert ask(pool, "1", "1").result(20).correct
        if busy:
            tower = ask(pool, "42", TOWER)
            time.sleep(0.4)
        for pid in pool.pids:
            os.kill(pid, signal.SIGKILL)
        assert ask(pool, "2", "2").result(30).correct
        if busy:
            assert tower.result(30).status is Status.TIMEOUT


def server_pid() -> int:
    return int(forkserver._forkserver._forkserver_pid)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("who", "by"),
    [
        (("server",), signal.SIGKILL),
        (("workers",), signal.SIGKILL),
        (("server", "workers"), signal.SIGKILL),
        (("workers",), signal.SIGSTOP),
        pytest.param(("server", "workers"), signal.SIGSTOP, marks=pytest.mark.slow),
    ],
    ids=lambda value: value.name if isinstance(value, signal.Signals) else "+".join(value),
)
def test_every_answer_gets_its_verdict_whatever_is_killed_or_stopped(
    who: tuple[str, ...], by: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_START_SECONDS", 10.0)
    with GraderPool(workers=2, wall_seconds=1.0) as pool:
        pool.wait_until_ready()
        futures = []
        for kill in range(3):
            futures += [ask(pool, str(i), str(i)) for i in range(1000 * kill, 1000 * kill + 1000)]
            victims = [server_pid()] if "server" in who else []
            victims += pool.pids if "workers" in who else []
            for pid in victims:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, by)
            time.sleep(0.05)
        verdicts = [future.result(60) for future in futures]
        alive = pool.pids
    failed = [verdict for verdict in verdicts if not verdict.correct]
    assert len(failed) < 3, "only what a worker was at, twice, when it was killed"
    assert wait_until_dead(alive, 5) == []


def test_a_pool_is_left_at_once_though_its_workers_were_stopped() -> None:
    pool = GraderPool(workers=2)
    pool.wait_until_ready()
    pids = pool.pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    future = ask(pool, "1", "1")
    started = time.monotonic()
    pool.close(wait=False)
    assert future.cancelled()
    assert time.monotonic() - started < 10
    assert wait_until_dead(pids, 5) == []


def test_a_scorer_that_no_task_declares_is_never_called(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    hostile = {"scorer": "timeit:timeit", "reference": "pass", "gold": "", "truncated": False}
    response = f"open({str(mark)!r}, 'w')"
    with GraderPool(workers=1, scorers=[f"{__name__}:fill_memory"]) as pool:
        with pytest.raises(ValueError, match="timeit:timeit"):
            pool.submit(response=response, **hostile)
        pool._scorers |= {"timeit:timeit"}  # so that the worker has to refuse
        verdict = pool.submit(response=response, **hostile).result(20)
    assert verdict.status is Status.CRASH
    assert not mark.exists()


def keys_in_environment(reference: str, response: str, truncated: bool) -> Verdict:
    return Verdict(correct=True, status=Status.OK, method=" ".join(os.environ))


def test_workers_are_given_no_keys(tmp_path: Path) -> None:
    program = (
        "from harness.grading import GraderPool\n"
        "if __name__ == '__main__':\n"
        f"    scorer = '{__name__}:keys_in_environment'\n"
        "    with GraderPool(workers=1, scorers=[scorer]) as pool:\n"
        "        asked = pool.submit(gold='', response='', truncated=False, scorer=scorer)\n"
        "        print(asked.result().method)\n"
    )
    (tmp_path / "program.py").write_text(program)
    secrets = {"OPENAI_API_KEY": "x", "HF_TOKEN": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    plain = {"PYTHONPATH": os.pathsep.join(sys.path), "TOKENIZERS_PARALLELISM": "false"}
    seen = subprocess.run(
        [sys.executable, str(tmp_path / "program.py")],
        env=os.environ | secrets | plain,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert secrets.keys().isdisjoint(seen)
    assert plain.keys() <= set(seen)


def test_a_response_that_takes_too_long_to_read_is_a_time_out() -> None:
    response = "The answer is not 5. " * 9_000  # takes some 70 ms
    with GraderPool(workers=1, cpu_seconds=0.002) as pool:
        verdict = pool.submit(gold="5", response=response, truncated=False).result(20)
    assert (verdict.status, verdict.method) == (Status.TIMEOUT, "cpu time")


def test_the_wall_clock_is_a_far_backstop() -> None:
    with GraderPool(workers=1, cpu_seconds=100.0, wall_seconds=0.5, profile="math-verify") as pool:
        assert ask(pool, "1", "1").result(20).correct
        verdict = ask(pool, "42", TOWER).result(30)
        assert (verdict.status, verdict.method) == (Status.TIMEOUT, "wall clock")
        assert ask(pool, "2", "2").result(20).correct


def test_workers_run_at_nice_19_with_limits_on_all_cores() -> None:
    with GraderPool(workers=1) as pool:
        ask(pool, "1", "1").result(20)
        pid = pool.pids[0]
        assert os.getpriority(os.PRIO_PROCESS, pid) == 19
        assert len(os.sched_getaffinity(pid)) == os.cpu_count()
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert "Max core file size        0" in limits
        assert "Max address space         unlimited" not in limits


def test_equal_answers_are_judged_once(bare: GraderPool) -> None:
    first = ask(bare, "123", "124")
    second = ask(bare, "123", "124")
    assert first.result(20) == second.result(20)
    assert ask(bare, "123", "124").result(20).seconds == 0.0


def test_works_from_another_thread() -> None:
    verdicts: list[Verdict] = []

    def run() -> None:
        with GraderPool(workers=1) as pool:
            verdicts.append(ask(pool, "1", "1").result(20))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(40)
    assert verdicts
    assert verdicts[0].correct


def test_no_worker_outlives_a_parent_killed_with_sigkill(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys, time\n"
        "from harness.grading import GraderPool\n"
        "if __name__ == '__main__':\n"
        "    pool = GraderPool(workers=2, cpu_seconds=300, profile='math-verify')\n"
        "    pool.submit(gold='1', response='1', truncated=False).result()\n"
        "    tower = r'\\boxed{\\dfrac{5^{5^{5^{5^{5}}}} - 5}{16}}'\n"
        "    pool.submit(gold='1', response=tower, truncated=False)\n"
        "    time.sleep(1)\n"
        "    print(*pool.pids, flush=True)\n"
        "    time.sleep(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 2
        parent.kill()
    assert wait_until_dead(pids, 5) == []


def test_a_closed_pool_refuses_work() -> None:
    pool = GraderPool(workers=1)
    pool.close()
    with pytest.raises(RuntimeError):
        pool.submit(gold="1", response="1", truncated=False, answer_type=AnswerType.AUTO)


def test_easy_answers_are_judged_by_the_thousand() -> None:
    prose = "We compute this step by step. " * 66
    with GraderPool(workers=2) as pool:
        ask(pool, "1", "1").result(20)
        started = time.perf_counter()
        futures = [
            pool.submit(gold=str(i), response=f"{prose}\\boxed{{{i}}}", truncated=False)
            for i in range(4000)
        ]
        assert all(future.result(60).correct for future in futures)
        assert time.perf_counter() - started < 30
