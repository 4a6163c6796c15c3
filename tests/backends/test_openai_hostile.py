"""Servers that answer oddly, too much, or against whoever asks."""

from __future__ import annotations

import base64
import contextlib
import gzip
import itertools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import pytest

from harness.backends.openai import server as _server
from harness.backends.openai.redaction import KeyRedactor
from harness.errors import EngineError, HarnessError
from tests.backends.fake_server import MODEL, Answer, FakeServer, completion
from tests.backends.openai_calls import KEY, arguments, complete, opened, requests
from tests.conftest import Finished

pytestmark = pytest.mark.usefixtures("openai_environment")

_GOOD = completion().body


def _with(**changes: Any) -> Answer:
    return Answer(body=_GOOD | changes)


def _choice(**changes: Any) -> Answer:
    return _with(choices=[_GOOD["choices"][0] | changes])


ODD = [
    (_with(choices="none"), "choices that are no list"),
    (_with(choices={"0": 1}), "choices that are no list"),
    (_with(choices=3), "choices that are no list"),
    (_with(choices=["text"]), "a choice that is no object"),
    (_choice(message=None), "a choice without a message"),
    (_choice(message="text"), "a choice without a message"),
    (_choice(message={"content": [{"type": "text", "text": "7"}]}), "in parts"),
    (_choice(message={"content": 7}), "content that is no text"),
    (_choice(finish_reason={"a": 1}), "a finish reason that is no word"),
    (_choice(finish_reason="x" * 999), "a finish reason that is no word"),
    (Answer(body=[_GOOD]), "no JSON object"),
    (Answer(body=b"7"), "no JSON object"),
    (Answer(body=b'{"a":' * 9999 + b"1" + b"}" * 9999), "nested too deeply"),
    (Answer(body=b"{", headers={"Content_Encoding": "br"}), "packed as 'br'"),
    (Answer(body=b"{", headers={"Content_Encoding": KEY}), "packed as '…'"),
    (Answer(body=b"{}" * 9, headers={"Content_Encoding": "gzip"}), "damaged gzip"),
]


@pytest.mark.parametrize(("odd", "sentence"), ODD, ids=[sentence for _, sentence in ODD])
def test_an_odd_answer_is_one_sentence_and_the_others_are_kept(
    server: FakeServer, odd: Answer, sentence: str
) -> None:
    server.answer = lambda body, number: odd
    with pytest.raises(EngineError, match=f"answered .*{sentence}.*, 3 times in a row"):
        complete(server)

    server.answer = lambda body, _: (
        odd if body["messages"][0]["content"].endswith(" 3?") else completion()
    )
    came_back = []
    with opened(server, max_concurrency=2) as backend:
        generation = backend.generate(requests(backend, 12))
        with pytest.raises(EngineError, match=f"1 requests were given up.*{sentence}"):
            came_back.extend(generation)
    assert len(came_back) == 11


@pytest.mark.parametrize(
    "count", [10**30, -7, "12", 1.5, True, None, float("nan"), float("inf"), [3], {}]
)
def test_a_number_that_can_be_none_is_unknown(server: FakeServer, count: Any) -> None:
    cached, thought = {"cached_tokens": count}, {"reasoning_tokens": count}
    usage = {"prompt_tokens": count, "completion_tokens": count, "cost": count}
    usage |= {"prompt_tokens_details": cached, "completion_tokens_details": thought}
    server.answer = lambda body, number: _with(usage=usage if number > 1 else count)
    server.pages["/v1/models"] = Answer(body={"data": [{"id": MODEL, "max_model_len": count}]})
    server.pages["/tokenize"] = Answer(body={"count": count})
    with opened(server, max_concurrency=1) as backend:
        assert backend.open(MODEL, None).max_context is None
        for came_back in backend.generate(requests(backend, 2)):
            assert came_back.prompt_tokens is came_back.completion_tokens is None
            assert came_back.thought_tokens is None
        counted = backend.usage()
    cost = {"cost_usd": count} if count == 1.5 else {}
    assert {name: counted[name] for name in counted if name.endswith("usd")} == cost
    assert (counted["requests"], counted["prompt_tokens"], counted["completion_tokens"]) == (
        2,
        0,
        0,
    )


@pytest.mark.parametrize(
    "listed", ["x", 3, None, [], {"data": 3}, {"data": [3, {"id": 3}, {"id": [MODEL]}, {}]}]
)
def test_an_odd_list_of_models_is_none(server: FakeServer, listed: Any) -> None:
    server.pages["/v1/models"] = Answer(body=listed)
    server.pages["/version"] = Answer(body={"version": {"a": 1}})
    assert len(complete(server)) == 1


@pytest.mark.parametrize(
    ("after", "sentence"),
    [
        ("1e300", "asks for a pause of 315360000 seconds"),
        ("inf", "asks for a pause of 315360000 seconds"),
        ("Fri, 31 Dec 9999 23:59:59 -2359", "asks for a pause of 315360000 seconds"),
    ],
)
def test_a_pause_for_ever_is_not_waited_for(server: FakeServer, after: str, sentence: str) -> None:
    server.answer = lambda body, number: Answer(429, {}, {"Retry_After": after})
    with pytest.raises(EngineError, match=sentence):
        complete(server)


@pytest.mark.parametrize("after", ["nan", "-5", "soon", "", "99999999999999999999 Jan 1"])
def test_a_pause_that_is_none_is_not_waited_for(server: FakeServer, after: str) -> None:
    refused = Answer(429, {}, {"Retry_After": after})
    server.answer = lambda body, number: refused if number == 1 else completion()
    assert len(complete(server)) == 1


def _endless() -> Iterator[bytes]:
    yield b'{"choices": "'
    yield from itertools.repeat(b"x" * 65536)


def _trickle() -> Iterator[bytes]:
    for _ in range(200):
        time.sleep(0.05)
        yield b" "


def test_no_more_is_taken_than_there_is_room_for(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_server.Server.client, "__kwdefaults__", {"largest": 4 << 20})
    bomb = Answer(body=gzip.compress(bytes(64 << 20)), headers={"Content_Encoding": "gzip"})
    for answer in (lambda: Answer(body=_endless()), lambda: bomb):
        server.answer = lambda body, number, answer=answer: answer()
        with pytest.raises(EngineError, match="answered with more than 4 MiB, 3 times in a row"):
            complete(server)
    packed = gzip.compress(json.dumps(_GOOD).encode())
    server.answer = lambda body, number: Answer(body=packed, headers={"Content_Encoding": "gzip"})
    assert complete(server)[0].text == "The answer is 7."
    server.answer = lambda body, number: Answer(500, _endless())
    with pytest.raises(EngineError, match="answered with more than 4 MiB"):
        complete(server)
    server.pages["/v1/models"] = bomb
    with pytest.raises(EngineError, match="more than 8 MiB when asked for its models"):
        complete(server)


def test_an_answer_that_trickles_ends_by_its_time_limit(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer = lambda body, number: Answer(body=_trickle())
    began = time.monotonic()
    with pytest.raises(EngineError, match="did not answer within 0 seconds, 3 times in a row"):
        complete(server, timeout=0.3)
    monkeypatch.setattr(_server, "_METADATA_TIMEOUT_SECONDS", 0.3)
    server.pages["/v1/models"] = Answer(body=_trickle())
    with pytest.raises(EngineError, match="No server answers at .* within 0 seconds"):
        complete(server)
    assert time.monotonic() - began < 6


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_the_key_is_not_carried_to_another_address(server: FakeServer, status: int) -> None:
    with FakeServer().running() as other:
        location = {"Location": f"{other.url}/chat/completions?key={KEY}"}
        server.answer = lambda body, number: Answer(status, {}, location)
        with pytest.raises(EngineError, match=f"{status}: it sends on to {other.url}") as raised:
            complete(server)
        assert KEY not in str(raised.value) and "--base-url" in raised.value.remedy
        server.pages["/v1/models"] = Answer(status, {}, {"Location": f"{other.url}/models"})
        with pytest.raises(EngineError, match="it sends on to"):
            complete(server)
        assert (other.keys, other.bodies) == (set(), [])


def _forms(key: str) -> dict[str, str]:
    """Return what a server can make of a key, by name."""
    content = key.encode()
    return {
        "plain": key,
        "bearer": base64.b64encode(b"Bearer " + content).decode(),
        "user": base64.b64encode(b"me:" + content).decode(),
        "users": base64.b64encode(b"them:" + content + b":and more").decode(),
        "urlsafe": base64.urlsafe_b64encode(content).decode(),
        "hex": content.hex(),
        "HEX": content.hex().upper(),
        "percent": "".join(f"%{byte:02x}" for byte in content),
        "quoted": quote(key, safe=""),
        "escaped": "".join(f"\\u{byte:04x}" for byte in content),
        "reversed": key[::-1],
        "half": key[: len(key) // 2],
        "part": key[9:20],
    }


@pytest.mark.parametrize("key", [KEY, "7f3A+9/xQ==zW~tt0pL.m4", "Zq8-" * 3 + "b5" * 40])
def test_no_form_of_a_key_is_left(key: str) -> None:
    secret = KeyRedactor(key)
    for name, form in _forms(key).items():
        left = str(secret.redact(f"it is {form}, as said"))
        assert left.startswith("it is ") and left.endswith(", as said") and "…" in left, name
        inside = [form[at : at + 12] for at in range(len(form) // 4, len(form) * 3 // 4 - 12)]
        assert not any(run in left for run in (key[:8], key[-8:], *inside)), (name, left)


def test_texts_that_hold_no_key_stay_as_they_are() -> None:
    text = (
        "12345678 password placeholder 1/3 sk-learn std::vector *** … the answer\u00a0is \\boxed{5}"
    )
    for key in (KEY, "", "EMPTY", "7", "none", "placeholder", "my-password-12345678"):
        assert KeyRedactor(key).redact({"a": [text, 1, None]}) == {"a": [text, 1, None]}
    assert KeyRedactor(KEY).redact("a\ud800b") == "a\N{REPLACEMENT CHARACTER}b"


def test_masked_keys_are_taken_out_of_sentences(server: FakeServer) -> None:
    with opened(server) as backend:
        for masked in (f"{KEY[:6]}***{KEY[-4:]}", f"{KEY[:5]}...", f"••••{KEY[-4:]}"):
            cleaned = backend._server.sanitize(f"Wrong key {masked} given ... twice")
            assert cleaned == "Wrong key … given ... twice", masked


def test_a_server_cannot_have_the_key_stored_or_printed(
    server: FakeServer, harness: Callable[..., Finished], tmp_path: Path
) -> None:
    echoed = " ".join(_forms(KEY).values())

    def answer(body: dict[str, Any], number: int) -> Answer:
        return completion(
            f"The key is {echoed}. The answer is 7.",
            message={"reasoning": f"{KEY} and {echoed}"},
            finish_reason=f"stop {KEY}",
            model=f"{MODEL} {KEY} {number}",
            system_fingerprint=_forms(KEY)["bearer"],
        )

    server.answer = answer
    server.pages["/version"] = Answer(body={"version": f"1 {KEY}"})
    results = tmp_path / "results.duckdb"
    done = harness("--debug", *arguments(server, results))
    assert done.code == 0, done.err
    server.pages["/v1/models"] = Answer(body={"data": [{"id": f"other {echoed}"}]})
    refused = harness("--debug", *arguments(server, results))
    assert refused.code == 2
    assert "does not serve" in refused.err
    with duckdb.connect(str(results), read_only=True) as connection:
        ((text,),) = connection.execute("SELECT DISTINCT answer FROM generation").fetchall()
        stored = str(connection.execute("SELECT * FROM run_session, generation").fetchall())
    assert text.startswith("The key is …") and text.endswith(". The answer is 7.")
    assert "The server repeats the key" in done.err
    for name, form in _forms(KEY).items():
        for kind, where in (("stored", stored), ("printed", done.err + done.out + refused.err)):
            assert form not in where, (name, kind)
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or KEY.encode() not in file.read_bytes(), file


def test_a_key_that_no_key_can_be_is_said_to_be(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("sk-kлюч-0123456789", "sk-“quoted”-secret", "sk-two\nlines"):
        monkeypatch.setenv("OPENAI_API_KEY", key)
        with pytest.raises(HarnessError, match="not printable ASCII") as raised:
            complete(server)
        assert key not in str(raised.value) and "secret" not in str(raised.value)


def test_what_has_come_back_is_kept_when_something_breaks(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    came_back: list[object] = []
    with opened(server, max_concurrency=4) as backend:
        read = backend._read

        def broken(*arguments: Any) -> Any:
            if len(server.bodies) >= 8:
                raise ZeroDivisionError
            return read(*arguments)

        monkeypatch.setattr(backend, "_read", broken)
        with contextlib.suppress(ZeroDivisionError):
            came_back.extend(backend.generate(requests(backend, 40)))
    assert len(came_back) >= 4


def test_a_token_among_engine_arguments_is_part_of_the_keys_and_not_stored(
    server: FakeServer, harness: Callable[..., Finished], tmp_path: Path
) -> None:
    results, token = tmp_path / "results.duckdb", "hf_0123456789abcdefghij"
    headers = json.dumps({"x-api-key": token, "prompt_cache_key": "mine"})
    more = ("--engine-arg", f"hf_token={token}", "--engine-arg", f"extra_headers={headers}")
    command = arguments(server, results, *more)
    done = harness(*command)
    assert done.code == 0, done.err
    (made,) = done.json["runs"]
    hidden = {"x-api-key": "(not stored)", "prompt_cache_key": "mine"}
    assert made["made_with"]["output_args"] == {"hf_token": "(not stored)", "extra_headers": hidden}
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or token.encode() not in file.read_bytes(), file

    # As an earlier version stored it.
    with duckdb.connect(str(results)) as connection:
        plain = json.dumps({"hf_token": token, "extra_headers": json.loads(headers)})
        connection.execute("UPDATE run SET output_args = ?", [plain])
    again = harness(*command)
    assert (again.json["stored"], again.json["runs"][0]["id"]) == (12, made["id"])
    assert token not in again.out + harness("runs", "--json", "--results", results).out
