"""How answers get to the graders."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from harness import judging
from harness.judging import Judge
from harness.store import Journal, Store
from harness.types import Item, Status, Verdict


class HeldPool:
    """Takes answers in and judges none until it is told to."""

    def __init__(self) -> None:
        self.taken: list[Future[Verdict]] = []

    def submit(self, **_: Any) -> Future[Verdict]:
        self.taken.append(Future())
        return self.taken[-1]


def test_generation_waits_where_the_graders_have_fallen_far_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "_MOST_BEHIND", 3)
    pool: Any = HeldPool()
    item = Item("a", "What is 1 + 1?", "2")
    with Journal(Store(tmp_path / "results.duckdb")) as journal:
        judge = Judge(pool, journal, "strict", lambda *_: None)

        def generate() -> None:
            for number in range(5):
                judge.submit("run", item, f"{number:032x}", "2", truncated=False)

        thread = threading.Thread(target=generate, daemon=True)
        thread.start()
        thread.join(0.5)
        assert len(pool.taken) == 3
        for number in range(5):
            while len(pool.taken) <= number:
                thread.join(0.01)
            pool.taken[number].set_result(Verdict(True, Status.OK))
        thread.join(10)
        judge.wait()
    assert len(pool.taken) == 5
