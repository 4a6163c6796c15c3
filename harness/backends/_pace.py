"""How many calls a server gets at once: as many as it answers gladly."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_FIRST = 16
# A round that brought this much more than the one before shows a server that wants more; one that
# brought this much less shows a server that was better off with less.
_WORTH_IT = 1.1
_TOO_MUCH = 0.8


class Pace:
    """Bounds the calls under way: raised round by round, halved by a failure.

    A round is as many answers as the bound, each to a call of that round. What it brought is known
    by Little's law: the bound over the seconds that a token took. The bound doubles for as long as
    each round brings a tenth more tokens a second than the one before; from the first that does not
    it is raised by one a round. A raise after which a fifth less came is taken back: latency then
    rose faster than the bound. A call that was refused or failed halves it, once for all the calls
    that were sent before; a server that names a time to wait is given it by every call.

    Belongs to one event loop; the bound may be read from any thread.

    Args:
        most: The bound is never above this.
    """

    def __init__(self, most: int) -> None:
        self.bound = min(_FIRST, most)
        self._most = most
        self._under_way = 0
        self._room = asyncio.Condition()
        self._resumes = 0.0
        self._last_cut = 0.0
        self._doubling = True
        self._before: tuple[int, float] | None = None
        self._begin_round()

    @asynccontextmanager
    async def call(self) -> AsyncIterator[float]:
        """Wait for room, and hold it; yields the time at which the call may be sent."""
        async with self._room:
            await self._room.wait_for(lambda: self._under_way < self.bound)
            self._under_way += 1
        try:
            while (wait := self._resumes - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            yield time.monotonic()
        finally:
            self._under_way -= 1
            async with self._room:
                self._room.notify_all()

    def answered(self, sent: float, tokens: int) -> None:
        """Take note of an answer to the call sent then."""
        if sent < self._began:
            return
        self._answers += 1
        self._tokens += tokens
        self._seconds += time.monotonic() - sent
        if self._answers >= self.bound:
            self._end_round()

    def failed(self, sent: float) -> None:
        """Take note that the call sent then was refused, or failed."""
        if sent < self._last_cut:
            return
        self._last_cut = time.monotonic()
        self._doubling, self._before = False, None
        self.bound = max(1, self.bound // 2)
        self._begin_round()

    def pause(self, seconds: float) -> None:
        """Send nothing for so long."""
        self._resumes = max(self._resumes, time.monotonic() + seconds)

    def _begin_round(self) -> None:
        self._began = time.monotonic()
        self._answers = self._tokens = 0
        self._seconds = 0.0

    def _end_round(self) -> None:
        bound, rate = self.bound, self.bound * max(1, self._tokens) / max(1e-6, self._seconds)
        bound_before, rate_before = self._before or (bound, 0.0)
        if bound > bound_before and rate < _TOO_MUCH * rate_before:
            self._doubling = False
            self.bound = bound_before
            self._before = None
        else:
            self._doubling &= rate > _WORTH_IT * rate_before
            self.bound = min(self._most, 2 * bound if self._doubling else bound + 1)
            self._before = (bound, rate)
        self._begin_round()
