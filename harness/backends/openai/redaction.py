"""Redact the API key from server output, in any encoding of it."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from urllib.parse import quote

_MARK = "…"
# A shorter key is a placeholder ("EMPTY", "test"), as is a word ("placeholder", "anything"): any
# answer may hold it.
_SHORTEST = 8
_LONGEST_WORD = 15
_FEWEST_DIFFERENT = 4
# Servers show the ends of a key, as in `sk-abc***xyz`.
_MASKED_KEY = re.compile(r"([\w+/.-]*)(?:\*{2,}|•+|…|\.{3,})([\w+/.-]*)")
_SHORTEST_END = 3
_SURROGATE = re.compile("[\ud800-\udfff]")


class KeyRedactor:
    """Takes an API key out of texts.

    Whole, and in runs of 8 characters and more, it becomes an ellipsis; so do its base64 (with
    whatever stands before and after it, such as ``Bearer``), hexadecimal, percent-encoded, escaped
    and reversed forms. Runs that are a word or a number are left alone. A key of fewer than 8
    characters is none, nor is a word of up to 15 letters.

    Args:
        key: The key; empty for none.

    Attributes:
        found: Whether anything has been taken out so far.
    """

    def __init__(self, key: str) -> None:
        self.found = False
        self._key = key
        forms = [] if _is_placeholder(key) else [key, key[::-1], *_encoded(key)]
        self._forms = [form for form in dict.fromkeys(forms) if len(form) >= _SHORTEST]
        self._runs = [
            (form, at)
            for form in self._forms
            # Of what is encoded, each part that stands for 16 characters holds one of these.
            for at in range(
                0,
                len(form) - _SHORTEST + 1,
                1 if form == key else _SHORTEST * len(form) // len(key),
            )
            if _is_telling(form[at : at + _SHORTEST])
        ]

    def redact(self, value: object) -> object:
        """Return a text, or all that was read from JSON, without the key.

        Lone surrogates, which no file can hold, become replacement marks as well.
        """
        if isinstance(value, str):
            return self.redact_text(_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", value))
        if isinstance(value, Mapping):
            return {self.redact(name): self.redact(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.redact(inner) for inner in value]
        return value

    def redact_text(self, text: str) -> str:
        """Return a text without the key."""
        left = text
        for form in self._forms:
            left = left.replace(form, _MARK)
        for form, at in self._runs:
            if form[at : at + _SHORTEST] in left:
                left = _cut(left, form, at)
        self.found |= left != text
        return left

    def redact_message(self, text: str) -> str:
        """Return a sentence without the key, without one of any length, and without its ends."""
        text = self.redact_text(text.replace(self._key, _MARK) if self._key else text)
        return _MASKED_KEY.sub(self._unmasked, text)

    def _unmasked(self, found: re.Match[str]) -> str:
        first, last = found.groups()
        shown = (len(first) >= _SHORTEST_END and self._key.startswith(first)) or (
            len(last) >= _SHORTEST_END and self._key.endswith(last)
        )
        return _MARK if shown else found[0]


def _is_placeholder(key: str) -> bool:
    return len(key) < _SHORTEST or (len(key) <= _LONGEST_WORD and _is_word(key))


def _is_word(text: str) -> bool:
    return text.isalpha() and (text.islower() or text.isupper())


def _encoded(key: str) -> list[str]:
    """Return what base64, hexadecimal digits, addresses and JSON make of a key."""
    content = key.encode()
    forms = []
    for before in range(3):
        # The first characters and the last one also encode bits of the neighbouring text.
        written = base64.b64encode(bytes(before) + content).rstrip(b"=").decode()
        inner = written[(0, 2, 3)[before] : len(written) - bool((before + len(content)) % 3)]
        forms += [inner, inner.translate(str.maketrans("+/", "-_"))]
    for digits in (content.hex(), content.hex().upper()):
        forms.append(digits)
        forms.append("".join("%" + digits[at : at + 2] for at in range(0, len(digits), 2)))
    forms.append("".join(f"\\u{ord(character):04x}" for character in key))
    forms.append(quote(key, safe=""))
    return forms


def _is_telling(run: str) -> bool:
    """Return whether a run of a key is specific: no number, no word, not one repeated character."""
    return not (run.isdigit() or _is_word(run) or len(set(run)) < _FEWEST_DIFFERENT)


def _cut(text: str, form: str, at: int) -> str:
    """Replace each place where a text holds this run of a form, as far as they agree around it."""
    run = form[at : at + _SHORTEST]
    pieces, done = [], 0
    while (start := text.find(run, done)) >= 0:
        end, before, after = start + _SHORTEST, at, at + _SHORTEST
        while before > 0 and start > done and text[start - 1] == form[before - 1]:
            start, before = start - 1, before - 1
        while after < len(form) and end < len(text) and text[end] == form[after]:
            end, after = end + 1, after + 1
        pieces += [text[done:start], _MARK]
        done = end
    return "".join([*pieces, text[done:]])
