"""Other typing of the same formula: LaTeX styles, spacing, Unicode, plain text."""

from __future__ import annotations

import re
from collections.abc import Iterator

_UNICODE = {
    "\\pi": "π", "\\cdot": "·", "\\times": "×", "\\infty": "∞", "\\leq": "≤", "\\geq": "≥",
    "\\le": "≤", "\\ge": "≥", "\\cup": "∪", "\\circ": "°", "\\theta": "θ", "\\alpha": "α",
}  # fmt: skip
_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def retyped(text: str) -> Iterator[tuple[str, str]]:
    """Change the typing of a formula, never its mathematics."""
    if "\\frac" in text:
        yield "fraction style", text.replace("\\frac", "\\dfrac")
        yield "fraction style", text.replace("\\frac", "\\tfrac")
    if "\\dfrac" in text:
        yield "fraction style", text.replace("\\dfrac", "\\frac")
    spaced = re.sub(r"(?<=[\w)}\]])\s*([-+=])\s*(?=[\w(\\])", r" \1 ", text)
    if "e" not in text or not re.search(r"\de|begin|text", text):
        yield "spacing", spaced
        if "\\text" not in text:
            yield "spacing", re.sub(r"\s*([-+=,])\s*", r"\1", text)
    yield "spacing", text.replace("(", "( ").replace(")", " )") if "\\text" not in text else text
    if "\\left" in text:
        yield "brackets", re.sub(r"\\(?:left|right)(?![A-Za-z])\s*(?!\.)", "", text)
        yield "brackets", re.sub(r"\\left(?![A-Za-z])\s*(?=[(\[])", r"\\bigl", re.sub(
            r"\\right(?![A-Za-z])\s*(?=[)\]])", r"\\bigr", text))  # fmt: skip
    elif "(" in text and "\\text" not in text and text.count("(") == text.count(")"):
        yield "brackets", text.replace("(", "\\left(").replace(")", "\\right)")
    yield "braces", re.sub(r"\^(\w)(?!\w)", r"^{\1}", text)
    if re.search(r"\^\{\w\}", text):
        yield "braces", re.sub(r"\^\{(\w)\}", r"^\1", text)
    yield "Unicode", re.sub(
        r"(?<=[\w)])\^(?:\{(-?\d+)\}|(\d)(?![\w.]))",
        lambda match: (match[1] or match[2]).translate(_SUPERSCRIPTS), text,
    )  # fmt: skip
    for command, sign in _UNICODE.items():
        if re.search(re.escape(command) + r"(?![A-Za-z])", text) and command != "\\circ":
            yield "Unicode", re.sub(re.escape(command) + r"(?![A-Za-z])\s*", sign, text)
    if "-" in text and "\\text" not in text:
        yield "Unicode", text.replace("-", "−")
    if "\\cdot" in text:
        yield "times", re.sub(r"\\cdot(?![A-Za-z])", r"\\times", text)
        yield "times", re.sub(r"\\cdot(?![A-Za-z])", "*", text)
    if re.search(r"\\sqrt\{[^{}]*\}", text):
        yield "Unicode", re.sub(r"\\sqrt\{([^{}]*)\}", r"√(\1)", text)
        yield "plain text", re.sub(r"\\sqrt\{([^{}]*)\}", r" sqrt(\1)", text)
        yield "plain text", re.sub(r"\\sqrt\{(\w)\}", r"\\sqrt \1", text)
    if "\\" in text and not re.search(r"\d\s*\\[dt]?frac|frac\s*\{d", text):
        plain_text = text
        for _ in range(3):
            plain_text = re.sub(
                r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}", r"((\1)/(\2))", plain_text
            )
            plain_text = re.sub(r"\\sqrt\s*\{([^{}]*)\}", r" sqrt(\1)", plain_text)
            plain_text = re.sub(r"\^\s*\{([^{}]*)\}", r"^(\1)", plain_text)
        plain_text = re.sub(r"\\(?:left|right)(?![A-Za-z])", "", plain_text)
        plain_text = re.sub(r"\\(?:cdot|times)(?![A-Za-z])", "*", plain_text).replace("\\pi", "pi")
        if "\\" not in plain_text and "{" not in plain_text:
            yield "plain text", plain_text
            if not re.search(
                r"(?<![A-Za-z])[A-Za-z]{2}", plain_text.replace("sqrt", "").replace("pi", "")
            ):
                yield "plain text", plain_text.replace("^", "**")
    if re.search(r"\d\s*(?:\\pi|\\sqrt|[a-zA-Z](?![A-Za-z]))", text) and "\\text" not in text:
        yield "times", re.sub(r"(?<![c\d]\d)(?<!c)(?<=\d)\s*(?=\\pi|\\sqrt)", r" \\cdot ", text)
