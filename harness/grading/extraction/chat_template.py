"""Cut a response to the assistant's final turn: no special tokens, marked thoughts or later turns.

A response may still carry the tokens of its chat template. Most of them are only taken out. A
thought between such tokens is no answer, and what follows the end of the turn is none either,
unless the same assistant goes on.
"""

from __future__ import annotations

import re
from functools import lru_cache

# A run of one token is read at once.
_TOKEN = re.compile(
    r"(?P<all><[|｜](?P<name>/?[A-Za-z][\w▁/-]{2,60}+)[|｜]>"
    r"|<(?P<tag>/?(?:think(?:ing)?|s|[be]os|(?:end|start)_of_turn))>"
    r"|\[(?P<bracket>/?INST|/?END)\])(?P=all)*+"
)
_SEPARATORS = re.compile(r"[_▁/-]+")
#: The word after a token that opens a message or a channel.
_ROLE = re.compile(r"[ \t]{0,8}([A-Za-z]{1,20})(?![A-Za-z])[ \t]{0,8}")
_HEADERS = frozenset(
    ("im_start", "start", "start_header_id", "header_start", "start_of_role", "start_of_turn")
)
_ENDS = frozenset(("eos", "eot", "eom", "eod", "endoftext", "endofturn", "return", "s"))
_ENDED = frozenset(("turn", "text", "sentence", "im", "message", "msg", "utterance"))
_THOUGHTS = frozenset(("think", "thinking", "thought", "thoughts", "reasoning", "analysis"))
_ANSWERS = frozenset(("answer", "final", "solution", "response"))
_ASSISTANTS = frozenset(("assistant", "chatbot", "model", "bot", "ai"))
_OTHERS = frozenset(
    ("user", "human", "system", "tool", "observation", "developer", "environment", "ipython")
)


def answer_turn(text: str) -> str:
    r"""Return what of a response may hold its answer.

    Args:
        text: The response. A box marked by tokens (``<|begin_of_box|>``) becomes ``\boxed{…}``.
    """
    # One of these stands in every token; a search for them is cheap.
    if "<" not in text and "INST]" not in text and "END]" not in text:
        return text
    token = _TOKEN.search(text)
    return text if token is None else _Turn(text).read(token)


class _Turn:
    """Reads a response token by token."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.said: list[str] = []
        self.mode = "answer"
        self.ended = False
        self.spoken = False
        self.last_closing = text.rfind("</think")

    def read(self, token: re.Match[str] | None) -> str:
        at = 0
        while token is not None:
            if not self._goes_on(self.text[at : token.start()]):
                break
            at = self._take(token)
            if at < 0:
                break
            token = _TOKEN.search(self.text, at)
        else:
            self._goes_on(self.text[at:])
        return "".join(self.said)

    def _goes_on(self, chunk: str) -> bool:
        if self.ended and chunk.strip():
            return False
        if self.mode == "answer":
            self.said.append(chunk)
            self.spoken = self.spoken or bool(chunk) and not chunk.isspace()
        return True

    def _take(self, token: re.Match[str]) -> int:
        """Follow one token; return where the text goes on, or -1 where the turn is over."""
        name = (token["name"] or token["tag"] or token["bracket"]).lower()
        kind, at = _kind(name), token.end()
        if kind in ("header", "channel"):
            role = _ROLE.match(self.text, at)
            kind = _role(role[1].lower()) if role else ""
            if kind and role:
                at = role.end()
        if kind == "thought" and token["tag"] and self.last_closing < at and self.spoken:
            # A tag that is only talked about opens nothing.
            return at
        if kind == "end":
            self.ended = self.spoken or self.mode == "thought"
        elif kind == "other":
            if self.spoken:
                return -1
            self._switch("other")
        elif kind == "assistant":
            self.said.append("\n")
            self._switch("answer")
        elif kind == "answer":
            self.said.clear()
            self.spoken = False
            self._switch("answer")
        elif kind == "thought":
            self._switch("thought")
        elif kind.startswith("box") and self.mode == "answer":
            self.said.append("}" if kind == "box end" else "\\boxed{")
        return at

    def _switch(self, mode: str) -> None:
        self.mode, self.ended = mode, False


@lru_cache(256)
def _kind(name: str) -> str:
    """Say what a token does, by the words of its name."""
    if name in _HEADERS:
        return "header"
    words = set(filter(None, _SEPARATORS.split(name)))
    closes = name.startswith("/") or "end" in words
    if words & {"box", "boxed"}:
        return "box end" if closes else "box"
    if words & _THOUGHTS:
        return "answer" if closes else "thought"
    if name == "inst":
        return "other"
    if name == "/inst":
        return "assistant"
    if words & _ANSWERS:
        return "" if closes else "answer"
    if name == "channel":
        return "channel"
    ends = (words & _ENDS and name != "s") or name == "end"
    if ends or (closes and words & _ENDED and "start" not in words):
        return "end"
    return _role("".join(words - {"token", "start"}))


def _role(word: str) -> str:
    """Say whose message or which channel a word opens; empty for any other word."""
    for kind, names in (
        ("thought", _THOUGHTS | {"commentary"}),
        ("answer", _ANSWERS),
        ("assistant", _ASSISTANTS),
        ("other", _OTHERS),
    ):
        if word in names:
            return kind
    return ""
