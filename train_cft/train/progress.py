"""Training progress on standard error: steps, loss, tokens/s, time left."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.text import Text

from harness.text import clean, duration

_LINE_EVERY_SECONDS = 10.0


class TrainingProgress:
    """Where standard error is no terminal, it writes a line every few seconds instead.

    Args:
        silent: Draw nothing: of several processes only the first reports.
    """

    def __init__(self, *, silent: bool = False) -> None:
        self._console = Console(stderr=True, quiet=silent)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            console=self._console,
            transient=True,
        )
        self._bar = self._progress.add_task("starting", total=None, figures="")
        self._last_line = 0.0

    def __enter__(self) -> TrainingProgress:
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._progress.stop()

    def phase(self, text: str) -> None:
        """Name the phase at hand."""
        self._progress.update(self._bar, description=text)
        if not self._console.is_terminal:
            self._print(f"{text} …")

    def notice(self, text: str) -> None:
        """Print a warning."""
        self._print(text, style="yellow")

    def message(self, text: str) -> None:
        """Print a line that stays."""
        self._print(text)

    def step(self, number: int, steps: int, loss: float, rate: float, seconds_left: float) -> None:
        """Show one optimiser step."""
        figures = f"loss {loss:.4f} · {rate:,.0f} tokens/s · {duration(seconds_left)} left"
        self._progress.update(
            self._bar, description="training", total=steps, completed=number, figures=figures
        )
        now = time.monotonic()
        if not self._console.is_terminal and (
            now - self._last_line >= _LINE_EVERY_SECONDS or number == steps
        ):
            self._last_line = now
            self._print(f"step {number}/{steps} · {figures}")

    def _print(self, text: str, style: str = "") -> None:
        self._console.print(Text(clean(text), style=style), soft_wrap=True)
