"""A small real HTTP server on the loopback that answers as a test wants it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "served-model"


@dataclass(frozen=True)
class Answer:
    """What the server sends back: JSON, the text of a page, bytes as they are, or a stream."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


def completion(content: str | None = "The answer is 7.", **changes: Any) -> Answer:
    """Return an answer as OpenAI's API has it; ``message`` and ``usage`` are added to."""
    message = {"role": "assistant", "content": content} | changes.pop("message", {})
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    usage |= changes.pop("usage", {})
    choice = {"index": 0, "message": message, "finish_reason": changes.pop("finish_reason", "stop")}
    return Answer(
        body={"id": "x", "object": "chat.completion", "created": 1, "model": MODEL}
        | {"choices": [choice], "usage": usage}
        | changes
    )


def refusal(status: int, message: str, **headers: str) -> Answer:
    """Return an error as OpenAI's API has it."""
    return Answer(status, {"error": {"message": message, "type": "x"}}, headers)


class FakeServer:
    """Serves one model; ``answer`` decides what each call for a completion gets.

    Attributes:
        answer: Called with the request's body and its number, from 1.
        pages: What other paths return, for instance ``/v1/models``.
        bodies: The bodies of the calls for a completion, in the order they came.
        keys: The keys that were shown.
        most: How many calls were in flight at once, at most.
    """

    def __init__(self) -> None:
        self.answer: Callable[[dict[str, Any], int], Answer] = lambda body, number: completion()
        self.pages = {"/v1/models": Answer(body={"data": [{"id": MODEL, "max_model_len": 4096}]})}
        self.bodies: list[dict[str, Any]] = []
        self.keys: set[str] = set()
        self.most = 0
        self._under_way = 0
        self._lock = threading.Lock()
        self.url = ""

    @contextmanager
    def running(self) -> Iterator[FakeServer]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.keys.add(self.headers.get("Authorization", ""))
                self._send(server.pages.get(self.path, Answer(404, {"detail": "Not Found"})))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if not self.path.endswith("/chat/completions"):
                    self._send(server.pages.get(self.path, Answer(404)))
                    return
                with server._lock:
                    server.bodies.append(body)
                    number = len(server.bodies)
                    server._under_way += 1
                    server.most = max(server.most, server._under_way)
                server.keys.add(self.headers.get("Authorization", ""))
                try:
                    answer = server.answer(body, number)
                finally:
                    with server._lock:
                        server._under_way -= 1
                self._send(answer)

            def _send(self, answer: Answer) -> None:
                body = answer.body
                streamed = body if isinstance(body, Iterator) else None
                text = body if isinstance(body, str) else ""
                if isinstance(body, bytes) or streamed:
                    content = b"" if streamed else body
                else:
                    content = (text or json.dumps(body)).encode()
                kind = "text/html" if isinstance(body, str) else "application/json"
                try:
                    self.send_response(answer.status)
                    for name, value in answer.headers.items():
                        self.send_header(name.replace("_", "-"), value)
                    self.send_header("Content-Type", kind)
                    if streamed is None:
                        self.send_header("Content-Length", str(len(content)))
                    else:
                        self.send_header("Connection", "close")
                    self.end_headers()
                    for piece in streamed or (content,):
                        self.wfile.write(piece)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True  # the client has gone

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        class Threads(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # a client that has gone is no news

        with Threads(("127.0.0.1", 0), Handler) as http:
            self.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
            thread = threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True)
            thread.start()
            try:
                yield self
            finally:
                http.shutdown()
                thread.join()
