"""From answer text to normalised text, exact rationals and an inferred type.

Nothing here evaluates text: numbers are recognised by regular expressions and built from their
digits.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

from harness.types import AnswerType

#: Longer answers are not parsed (they may still be equal as text).
MAX_LENGTH = 10_000
#: Deeper nesting of brackets is not parsed.
MAX_DEPTH = 60
#: Powers are expanded to at most this many bits.
MAX_BITS = 20_000


def too_complex(text: str) -> bool:
    """Say whether a text is too long or too deeply nested to be handed to a parser."""
    if len(text) > MAX_LENGTH:
        return True
    depth = deepest = 0
    for char in text:
        if char in "{([":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "})]":
            depth -= 1
    return deepest > MAX_DEPTH


def balanced(text: str, start: int) -> int:
    """Return the index just past the brace group that opens at ``start``, or -1."""
    depth = 0
    i, n = start, len(text)
    while i < n:
        char = text[i]
        if char == "\\":
            i += 2
            continue
        if char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                return i + 1
        i += 1
    return -1


_SPACE_COMMANDS = re.compile(
    r"(?<!\\)\\(?:[,;:!> ]|q?quad|(?:thinspace|enspace|hfill|noindent|forall)\b)|(?<!\\)\\\Z|~"
)
_SIZE_COMMANDS = re.compile(
    r"\\(?:left|right|bigl|bigr|Bigl|Bigr|biggl|biggr|Biggl|Biggr|big|Big|bigg|Bigg|displaystyle"
    r"|textstyle|limits|nolimits|middle)(?![a-zA-Z])\.?"
)
_DOUBLED = re.compile(
    r"(?<!\\)\\\\(?=(?:d?t?frac|sqrt|text|math[a-z]+|pi|left|right|circ|begin|end|times|cdot|pm"
    r"|infty|cup|cap|in|le|ge|leq|geq|neq|ne|sin|cos|tan|log|ln|theta|alpha|beta|boxed|%|\$|\{|\})"
    r"(?![a-zA-Z]))"
)
#: Thousands separators nobody can mistake for commas of a list.
_LATEX_THOUSANDS = re.compile(r"(?<=\d)(?:,\\!\s*|\{,\}\s*|\\,\s*)(?=\d{3}(?!\d))")
_CHARACTERS = str.maketrans(
    {
        "\u2212": "-",
        "\u2013": "-",
        "\u2010": "-",
        "\u2011": "-",
        "\ufe63": "-",
        "\uff0d": "-",
        "\u00a0": " ",
        "\u2009": " ",
        "\u202f": " ",
        "\u3000": " ",
        "\uff0c": ",",
        "\uff1a": ":",
        "\uff1d": "=",
        "\uff08": "(",
        "\uff09": ")",
        "\u2032": "'",
        "\u2019": "'",
    }
)


def normalise(text: str) -> str:
    """Remove what never changes the meaning: sizes, spaces, maths delimiters, doubled escapes."""
    text = text.translate(_CHARACTERS)
    text = _DOUBLED.sub(r"\\", text)
    text = _LATEX_THOUSANDS.sub("", text).replace("\\!", "")
    text = _SIZE_COMMANDS.sub("", text)
    text = _SPACE_COMMANDS.sub(" ", text)
    text = text.replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac")
    text = text.replace("\\$", "").replace("$", "").replace("\\(", "").replace("\\)", "")
    text = text.replace("\\[", "").replace("\\]", "")
    return re.sub(r"\s+", " ", text).strip().rstrip(".").strip()


def same_text(gold: str, answer: str) -> bool:
    """Compare two normalised texts without their spaces."""
    return gold.replace(" ", "") == answer.replace(" ", "")


_NUMBER = r"(?:\d{1,3}(?:(?:,|\{,\}|\\,| )\d{3})+|\d+)?(?:\.\d*)?"
_DECIMAL = re.compile(rf"([-+]?)\s*({_NUMBER})\Z")
_SCIENTIFIC = re.compile(
    rf"([-+]?\s*{_NUMBER})\s*(?:[eE]([-+]?\d+)"
    r"|(?:\\times|\\cdot|\*|x|×|·)\s*10\s*(?:\^|\*\*)\s*(?:\{\s*([-+]?\s*\d+)\s*\}|\(([-+]?\d+)\)"
    r"|([-+]?\d+)))\Z"
)
_FRACTION = re.compile(
    r"([-+]?)\s*\\frac\s*(?:\{\s*([^{}]*?)\s*\}|(\d))\s*(?:\{\s*([^{}]*?)\s*\}|(\d))\Z"
)
_SLASH = re.compile(r"(.+?)\s*/\s*(.+)\Z")
_POWER = re.compile(
    r"([-+]?)\s*(\d+)\s*(?:\^|\*\*)\s*(?:\{\s*([-+]?\s*\d+)\s*\}|\(([-+]?\d+)\)|(\d+))\Z"
)
_CURRENCY = re.compile(r"\A([-+]?)\s*(?:\\?\$|€|£|¥|\\pounds|\\euro)\s*")
_PERCENT = re.compile(
    r"\s*\\?%\Z|\s*\\(?:text|mathrm)\{\s*(?:\\?%|percent)\s*\}\Z|\s*percent\Z", re.I
)


def decimal(text: str) -> Fraction | None:
    """Read an integer or a decimal, with or without thousands separators."""
    match = _DECIMAL.match(text)
    if not match or not any(char.isdigit() for char in match.group(2)) or len(text) > 4000:
        return None
    digits = re.sub(r"[,{} \\]", "", match.group(2))
    whole, _, part = digits.partition(".")
    value = Fraction(int((whole or "0") + part), 10 ** len(part))
    return -value if match.group(1) == "-" else value


def rational(text: str) -> Fraction | None:
    """Read a text as an exact rational number, or say that it is not plainly one.

    Understands integers, decimals, thousands separators, fractions, percent, currency, scientific
    notation and integer powers within bounds.
    """
    text = text.strip()
    if not text or len(text) > 4000 or not any(char.isdigit() for char in text):
        return None
    text = _CURRENCY.sub(r"\1", text)
    percent = _PERCENT.search(text)
    if percent:
        value = rational(text[: percent.start()])
        return None if value is None else value / 100
    if text[0] == "{" and text[-1] == "}" and "{" not in text[1:-1]:
        text = text[1:-1].strip()
    for reader in (decimal, _scientific, _fraction, _power, _slash):
        value = reader(text)
        if value is not None:
            return value
    return None


def _scientific(text: str) -> Fraction | None:
    match = _SCIENTIFIC.match(text)
    if not match:
        return None
    mantissa = decimal(match.group(1))
    exponent = int(next(g for g in match.groups()[1:] if g is not None).replace(" ", ""))
    if mantissa is None or abs(exponent) > 5000:
        return None
    return mantissa * Fraction(10) ** exponent


def _fraction(text: str) -> Fraction | None:
    match = _FRACTION.match(text)
    if not match:
        return None
    sign, above, above_digit, below, below_digit = match.groups()
    numerator = decimal((above_digit if above is None else above).strip())
    denominator = decimal((below_digit if below is None else below).strip())
    if numerator is None or not denominator:
        return None
    return -numerator / denominator if sign == "-" else numerator / denominator


def _power(text: str) -> Fraction | None:
    match = _POWER.match(text)
    if not match:
        return None
    base = int(match.group(2)[:400])
    exponent = int(next(g for g in match.groups()[2:] if g is not None).replace(" ", "")[:9])
    if len(match.group(2)) > 400 or base.bit_length() * abs(exponent) > MAX_BITS:
        return None
    if base == 0 and exponent <= 0:
        return None
    value = Fraction(base) ** exponent
    return -value if match.group(1) == "-" else value


def _slash(text: str) -> Fraction | None:
    match = _SLASH.match(text)
    if not match:
        return None
    numerator, denominator = decimal(match.group(1)), decimal(match.group(2).strip("()"))
    if numerator is None or not denominator:
        return None
    return numerator / denominator


_LETTER_GOLD = re.compile(r"\([a-j]\)\Z|\(?(?:\\text\{\s*)?\(?([A-J])\)?\s*\}?\)?\Z")
_TRUTH = {"true": True, "yes": True, "false": False, "no": False}


def truth(text: str) -> bool | None:
    """Read a yes/no answer."""
    return _TRUTH.get(re.sub(r"\\(?:text|mathrm|textbf|mathbf)|[{}\s.]", "", text).lower())


@lru_cache(4096)
def infer_type(gold: str) -> AnswerType:
    """Infer an answer type from the gold answer alone."""
    text = normalise(gold)
    if _LETTER_GOLD.match(text):
        return AnswerType.CHOICE
    if truth(text) is not None:
        return AnswerType.BOOLEAN
    value = rational(text)
    if value is not None:
        return AnswerType.INTEGER if value.denominator == 1 else AnswerType.NUMBER
    return AnswerType.EXPRESSION


@lru_cache(4096)
def list_length(gold: str) -> int:
    """Count the parts of a gold answer at its top level."""
    text = normalise(gold)
    if not text or rational(text) is not None:
        return 1
    braces = re.fullmatch(r"\\?\{([^{}]*?)\\?\}", text)
    text = braces[1] if braces else text
    return len(split_top_level(text))


_SEPARATOR_WORDS = re.compile(r"\\(?:text|mathrm)\s*\{\s*,?\s*(?:and|or)\s*\}|\band\b|\bor\b")


def split_top_level(text: str) -> list[str]:
    """Split at commas, semicolons, "and" and "or" outside all brackets."""
    text = _SEPARATOR_WORDS.sub(",", text)
    parts: list[str] = []
    depth = start = 0
    for i, char in enumerate(text):
        if char in "{([":
            depth += 1
        elif char in "})]":
            depth -= 1
        elif char in ",;" and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]
