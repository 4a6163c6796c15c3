"""Progress of a command on standard error, or a line now and then where that is no terminal."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from harness.cli.render import plain
from harness.run.callbacks import Callbacks
from harness.text import percent

_LOG_EVERY_SECONDS = 10.0
_LOG_AFTER_SECONDS = 2.0


class EvaluationProgress(Callbacks):
    """Draws an evaluation on standard error: items, tokens/s, running score, time left.

    Where standard error is no terminal, it writes a line every ``every_seconds`` instead.
    """

    def __init__(self, *, every_seconds: float = _LOG_EVERY_SECONDS) -> None:
        self._every_seconds = every_seconds
        self._console = Console(stderr=True, soft_wrap=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            _Figures(),
            TimeRemainingColumn(compact=True),
            console=self._console,
            transient=True,
        )
        self._bar = self._progress.add_task("starting", total=None, figures="")
        self._lock = threading.Lock()
        self._correct: dict[str, dict[str, list[int]]] = {}
        self._names: Mapping[str, str] = {}
        self._judged_last = ""
        self._generating_since = 0.0
        self._tokens_of_finished = 0
        self._tokens_of_engine = 0
        self._prompt_tokens = 0
        self._status = ""
        self._done = 0
        self._total = 0
        self._last_line = time.monotonic()
        self._drawn = 0.0

    @property
    def kept(self) -> int:
        """How many generations of this evaluation the store or its journal holds."""
        return self._done

    def __enter__(self) -> EvaluationProgress:
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._progress.stop()

    def phase(self, text: str) -> None:
        if text == "generating":
            with self._lock:
                self._generating_since = time.monotonic()
                self._tokens_of_finished = self._tokens_of_engine = self._prompt_tokens = 0
        self._progress.update(self._bar, description=text)
        if not self._console.is_terminal:
            self._console.print(plain(f"{text} …"))

    def notice(self, text: str) -> None:
        self._console.print(plain(text, style="yellow"))

    def planned(self, *, requests: int, stored: int, runs: Mapping[str, str]) -> None:
        self._total, self._done, self._names = requests, stored, runs
        self._progress.update(self._bar, total=requests, completed=stored)

    def generated(self, completion_tokens: int, status: str) -> None:
        with self._lock:
            self._tokens_of_finished += completion_tokens
            self._status = status
            self._done += 1
        self._draw()

    def progressed(self, prompt_tokens: int, new_tokens: int) -> None:
        with self._lock:
            self._prompt_tokens = prompt_tokens
            # Those that finish in the step at hand are not in it for a moment.
            self._tokens_of_engine = max(self._tokens_of_engine, new_tokens)
        self._draw()

    def graded(self, run_id: str, item_id: str, correct: bool) -> None:
        with self._lock:
            counts = self._correct.setdefault(run_id, {}).setdefault(item_id, [0, 0])
            self._judged_last = run_id
            counts[0] += correct
            counts[1] += 1

    def _draw(self) -> None:
        now = time.monotonic()
        if now - self._drawn < min(0.2, self._every_seconds) and self._done < self._total:
            return
        self._drawn = now
        figures = self._figures()
        self._progress.update(self._bar, completed=self._done, figures=figures)
        if not self._console.is_terminal and now - self._last_line >= self._every_seconds:
            self._last_line = now
            self._console.print(plain(f"{self._done} of {self._total}  {figures}"))

    def _figures(self) -> str:
        with self._lock:
            seconds = time.monotonic() - self._generating_since
            # The engine's count covers finished and unfinished requests; a server has none.
            tokens = max(self._tokens_of_finished, self._tokens_of_engine)
            speed = f"{tokens / seconds:,.0f} tok/s" if tokens and seconds > 0 else ""
            if self._prompt_tokens and not tokens:
                speed = f"{self._prompt_tokens:,} prompt tokens read"
            counts = list(self._correct.get(self._judged_last, {}).values())
            score = f"{percent(_running_score(counts))} so far" if counts else ""
            if score and len(self._names) > 1:
                score = f"{self._names.get(self._judged_last, '')} {score}".strip()
            shown = [speed, score]
        return "  ".join(text for text in (*shown, self._status) if text)


class Counting:
    """Counts judged responses on standard error; in a log, by a line now and then.

    Args:
        what: What is being done.
        total: How many there are; ``None`` where that is not known, or nothing is counted.
    """

    def __init__(self, what: str, total: int | None = None) -> None:
        self._console = Console(stderr=True, soft_wrap=True)
        self._what, self._total, self._done = what, total, 0
        of = "" if total is None else " of {task.total}"
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description} {task.completed}" + of),
            console=self._console,
            transient=True,
        )
        self._task = self._progress.add_task(what, total=total)
        self._over = threading.Event()

    def __enter__(self) -> Counting:
        if self._console.is_terminal:
            self._progress.start()
        else:
            threading.Thread(target=self._log, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._console.is_terminal:
            self._progress.stop()

    def on_grade(self, run_id: str, item_id: str, correct: bool) -> None:
        """Count one more."""
        self._done += 1
        self._progress.advance(self._task)

    def _log(self) -> None:
        wait = _LOG_AFTER_SECONDS
        while not self._over.wait(wait):
            of = "" if self._total is None else f" {self._done} of {self._total}"
            self._console.print(plain(f"{self._what}{of} …"))
            wait = _LOG_EVERY_SECONDS


class _Figures(ProgressColumn):
    def render(self, task: Task) -> Text:
        return plain(task.fields["figures"])


def _running_score(counts: Sequence[Sequence[int]]) -> float:
    """Return the mean over the items judged, without an interval: short answers come back first."""
    return math.fsum(correct / total for correct, total in counts) / len(counts)
