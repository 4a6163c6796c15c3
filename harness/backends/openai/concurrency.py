"""Adaptive concurrency limit (AIMD) for server requests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_FIRST = 16
# Throughput of a round over that of the round before: above the first the limit may double, below
# the second the last raise is taken back.
_GAIN = 1.1
_LOSS = 0.8


class AdaptiveLimit:
    """Limits the calls in flight: slow start, additive increase, multiplicative decrease.

    A round is as many answers as the limit, each to a call of that round; its throughput follows
    from Little's law, the limit over the seconds per token. The limit doubles while each round
    brings a tenth more tokens a second than the one before (slow start), then rises by one a round.
    A raise that cost a fifth of the throughput is taken back. A call that was refused or failed
    halves the limit, once for all calls sent before it; ``Retry-After`` pauses every call.

    Belongs to one event loop; ``bound`` may be read from any thread.

    Args:
        most: The limit is never above this.

    Attributes:
        bound: The limit now.
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
        """Hold a slot, waiting for one if need be; yield the time at which the call is sent."""
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
        """Record an answer to the call sent then."""
        if sent < self._began:
            return
        self._answers += 1
        self._tokens += tokens
        self._seconds += time.monotonic() - sent
        if self._answers >= self.bound:
            self._end_round()

    def failed(self, sent: float) -> None:
        """Record that the call sent then was refused or failed."""
        if sent < self._last_cut:
            return
        self._last_cut = time.monotonic()
        self._doubling, self._before = False, None
        self.bound = max(1, self.bound // 2)
        self._begin_round()

    def pause(self, seconds: float) -> None:
        """Send nothing for so many seconds."""
        self._resumes = max(self._resumes, time.monotonic() + seconds)

    def _begin_round(self) -> None:
        self._began = time.monotonic()
        self._answers = self._tokens = 0
        self._seconds = 0.0

    def _end_round(self) -> None:
        bound, rate = self.bound, self.bound * max(1, self._tokens) / max(1e-6, self._seconds)
        bound_before, rate_before = self._before or (bound, 0.0)
        if bound > bound_before and rate < _LOSS * rate_before:
            self._doubling = False
            self.bound = bound_before
            self._before = None
        else:
            self._doubling &= rate > _GAIN * rate_before
            self.bound = min(self._most, 2 * bound if self._doubling else bound + 1)
            self._before = (bound, rate)
        self._begin_round()
