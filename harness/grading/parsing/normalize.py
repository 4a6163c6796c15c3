"""Normalise the text of an answer; read plain numbers; infer the type of a reference answer.

Nothing here evaluates text: numbers are recognised by regular expressions and built from their
digits.
"""

from __future__ import annotations

import re
import unicodedata
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
    r"(?<!\\)\\(?:[,;:>\s]|q?quad|(?:thinspace|enspace|medspace|thickspace|hfill"
    r"|noindent|displaystyle|textstyle|scriptstyle|nonumber|notag|strut|mathstrut)(?![a-zA-Z])"
    r"|(?:hspace|vspace|mspace|label|tag)\*?\s*\{[^{}]*\})|(?<!\\)\\\Z"
)
_SIZE_COMMANDS = re.compile(
    r"\\(?:left|right|bigl|bigr|Bigl|Bigr|biggl|biggr|Biggl|Biggr|big|Big|bigg|Bigg|limits"
    r"|nolimits|middle)(?![a-zA-Z])"
)
#: A delimiter that is not there, and angle brackets that are no relations.
_NO_DELIMITER = re.compile(r"\\(?:left|right|middle)\s*\.")
_ANGLE = re.compile(r"\\(left|right)\s*([<>])")
_DOUBLED = re.compile(
    r"(?<!\\)\\\\(?=(?:d?t?c?frac|[dt]?binom|overline|operatorname|lfloor|lceil|sqrt"
    r"|text|math[a-z]+|pi|left|right|circ|begin|end|times|cdot|pm"
    r"|infty|cup|cap|in|le|ge|leq|geq|neq|ne|sin|cos|tan|log|ln|theta|alpha|beta|boxed|%|\$|\{|\})"
    r"(?![a-zA-Z]))"
)
#: Thousands separators nobody can mistake for commas of a list.
_LATEX_THOUSANDS = re.compile(
    r"(?<![\d.,^_])[1-9]\d{0,2}(?:(?:,\\!\s*\d{3})+|(?:,\s?\\!\d{3})+|(?:\{,\}\s*\d{3})+"
    r"|(?:\\,\s?\d{3})+)(?!\d)"
)
#: "3{,}14": a comma in braces stands inside one number.
_BRACED_COMMA = re.compile(r"(?<![\d.,])(\d+)\{,\}(?=\d+(?![\d.,{]))")
_LINE_SKIP = re.compile(r"\\\\\s*\[\s*-?[\d.]+\s*(?:pt|em|ex|mm|cm|in)\s*\]")
#: An environment that only places what is in it.
_ONE_LINE = re.compile(
    r"\s*\\begin\{((?:aligned|align|gathered|gather|split|equation|displaymath|math)\*?)\}"
    r"(?:\[[tbc]\])?(.*)\\end\{\1\}\s*\Z",
    re.S,
)
_MATHS_DELIMITER = re.compile(r"(?<!\\)\\[()\[\]]")
_MARKDOWN = re.compile(r"\A(\*\*|`+|\\?\")(?!\1)([^`\"]+)\1\Z")
_CHARACTERS = str.maketrans(
    {
        **dict.fromkeys("\u2212\u2010\u2011\ufe63", "-"),
        **dict.fromkeys("\u2032\u2019\u02b9", "'"),
        "\u2033": "''",
        "\u2034": "'''",
        "\u3001": ", ",
        "\u3002": ".",
        "\u2026": "...",
        "\u2200": " for all ",
    }
)
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff]")
#: Between digits an en dash is a range.
_EN_DASH = re.compile(r"(?<!\d)\u2013|\u2013(?!\d)")


def _plain_character(match: re.Match[str]) -> str:
    """Give a full-width character or another script's digit its ASCII form."""
    char = match[0]
    digit = unicodedata.decimal(char, None)
    if digit is not None:
        return str(digit)
    return chr(ord(char) - 0xFEE0) if "\uff01" <= char <= "\uff5e" else char


def normalise(text: str) -> str:
    """Remove what never changes the meaning: sizes, spaces, maths delimiters, doubled escapes."""
    if not text.isascii():
        text = _INVISIBLE.sub("", text.translate(_CHARACTERS))
        text = re.sub(r"(?![0-9])\d|[\uff01-\uff5e]", _plain_character, _EN_DASH.sub("-", text))
    text = _MARKDOWN.sub(r"\2", text.strip())
    if "\\" in text:
        text = _without_layout(text)
    if "{,}" in text:
        text = _BRACED_COMMA.sub(r"\1.", join_latex_thousands(text))
    text = re.sub(r"(?<!\\)\\\$|\$|(?<!\\)~", " ", text)
    text = re.sub(r"\s+", " ", text).strip()
    # "0.333..." goes on; a single dot ends a sentence.
    if text.endswith(".") and not text.endswith(("..", ". .")):
        text = text[:-1].rstrip()
    return text


def _without_layout(text: str) -> str:
    """Remove the commands of LaTeX that only place or size what is written."""
    text = _LINE_SKIP.sub(r"\\\\", _DOUBLED.sub(r"\\", text))
    text = join_latex_thousands(text)
    text = re.sub(r"(?<=[a-zA-Z])\\!", " ", text)
    text = re.sub(r"(?<!\\)\\!", "", text)
    text = _ANGLE.sub(lambda m: "\\langle " if m[2] == "<" else "\\rangle ", text)
    text = _SIZE_COMMANDS.sub("", _NO_DELIMITER.sub(" ", text))
    text = re.sub(r"\\forall(?![a-zA-Z])", " for all ", text)
    text = re.sub(r"\\text(?:normal|sf|sc|up|md|sl)(?![a-zA-Z])", r"\\text", text)
    text = re.sub(r"\\(?:dfrac|tfrac|cfrac)(?![a-zA-Z])", r"\\frac", text)
    text = _SPACE_COMMANDS.sub(" ", text)
    line = _ONE_LINE.match(text)
    if line is not None and "\\\\" not in line[2]:
        text = line[2].replace("&", " ")
    kinds = {m[0] for m in _MATHS_DELIMITER.finditer(text)}
    # "\[1, 2\)" is an interval whose brackets were escaped for Markdown, not a displayed formula.
    crossed = kinds in ({"\\[", "\\)"}, {"\\(", "\\]"})
    return _MATHS_DELIMITER.sub(lambda m: m[0][1] if crossed else " ", text)


def join_latex_thousands(text: str) -> str:
    r"""Take out the separators of ``1{,}234`` and ``1\,234``."""
    return _LATEX_THOUSANDS.sub(lambda m: re.sub(r"\D", "", m[0]), text)


#: A space between letters or digits, behind a decimal point or a factorial, or before three digits
#: that a comma would join, changes what is read.
_FREE_SPACE = re.compile(r"(?<![\w.!]) (?<!\d, )|(?<![\w.!]) (?!\d{3}(?!\d))| (?![\w.!])")


#: Braces around one sign of a script: "c^{2}".
_SCRIPT_BRACES = re.compile(r"(?<=[\^_])\{(\w)\}(?!\w)")


def _bare_text(text: str) -> str:
    text = _FREE_SPACE.sub("", text)
    return _SCRIPT_BRACES.sub(r"\1", text).replace("\u2013", "-")


def same_text(gold: str, answer: str) -> bool:
    """Compare two normalised texts without the spaces that change nothing."""
    if gold == answer:
        return True
    return _bare_text(gold) == _bare_text(answer)


_NUMBER = (
    r"(?:[1-9]\d{0,2}(?:(?:,\d{3})+|(?:\{,\}\d{3})+|(?:\\,\d{3})+|(?: \d{3})+)|\d+)?(?:\.\d*)?"
)
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
    below = re.fullmatch(r"\(([^()]*)\)", match.group(2))
    numerator = decimal(match.group(1))
    denominator = decimal(below[1] if below else match.group(2))
    # "4 100/3" is no 4100/3.
    if numerator is None or not denominator or re.search(r"\d \d", text):
        return None
    return numerator / denominator


_LETTER_GOLD = re.compile(r"\([a-j]\)\Z|\(?(?:\\text\{\s*)?\(?([A-J])\)?\s*\}?\)?\Z")
_TRUTH = {"true": True, "yes": True, "false": False, "no": False}


def truth(text: str) -> bool | None:
    """Read a yes/no answer."""
    return _TRUTH.get(re.sub(r"\\(?:text|mathrm|textbf|mathbf)|[{}\s.]", "", text).lower())


@lru_cache(4096)
def infer_type(gold: str) -> AnswerType:
    """Infer an answer type from the reference answer alone."""
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
    """Count the parts of a reference answer at its top level."""
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
