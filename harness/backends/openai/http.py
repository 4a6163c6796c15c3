"""HTTP client with a size limit on (unpacked) answers that follows no redirect.

Answers are read piece by piece and given up once they are too large, packed ones by what they
unpack to. An answer that sends on to another address is not followed: the key would go along.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_PACKED = "gzip"


class UnreadableAnswer(Exception):
    """What is wrong with an answer, to follow "The server"."""


class NotJson(UnreadableAnswer):
    """It is no JSON at all: a page for people, perhaps."""


def bounded_client(*, largest: int, **options: Any) -> AsyncOpenAI:
    """Return a client that neither tries again nor gives up by itself.

    Args:
        largest: Of the body of an answer, in bytes, once it is unpacked; of a larger one reading
            raises :class:`UnreadableAnswer`.
        options: Passed on to the client.
    """
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    # Which HTTP library the client is built on depends on its version.
    library = DefaultAsyncHttpxClient.__mro__[1].__module__.partition(".")[0]
    stream_class: Any = importlib.import_module(library).AsyncByteStream

    class Bounded(stream_class):  # type: ignore[misc]
        def __init__(self, stream: Any, unpack: _Unpacking) -> None:
            self._stream = stream
            self._unpack = unpack

        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for piece in self._stream:
                yield self._unpack(piece)

        async def aclose(self) -> None:
            await self._stream.aclose()

    async def bound(response: Any) -> None:
        # Without the header, what has been unpacked here is not unpacked again.
        packed = response.headers.pop("content-encoding", "identity").strip().lower()
        response.stream = Bounded(response.stream, _Unpacking(packed, largest))

    http = DefaultAsyncHttpxClient(follow_redirects=False, event_hooks={"response": [bound]})
    headers = {"Accept-Encoding": _PACKED}
    return AsyncOpenAI(http_client=http, default_headers=headers, max_retries=0, **options)


class _Unpacking:
    """Unpacks an answer, and counts what comes of it."""

    def __init__(self, packed: str, largest: int) -> None:
        if packed not in ("identity", "", _PACKED):
            raise UnreadableAnswer(f"answered packed as {packed!r}, which was not asked for")
        self._unpacked = zlib.decompressobj(wbits=31) if packed == _PACKED else None
        self._largest = self._left = largest

    def __call__(self, piece: bytes) -> bytes:
        if self._unpacked is not None:
            try:
                piece = self._unpacked.decompress(piece, self._left + 1)
            except zlib.error as error:
                raise UnreadableAnswer(f"answered with damaged {_PACKED}") from error
        self._left -= len(piece)
        if self._left < 0:
            raise UnreadableAnswer(f"answered with more than {self._largest >> 20} MiB")
        return piece
