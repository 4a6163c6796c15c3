"""Expression trees and the tokens they are read from.

A tree is made of :class:`Node` objects whose ``kind`` is one of a few words:

scalars
    ``num`` (value: Fraction), ``sym`` (value: name), ``const`` (``pi``, ``e``, ``i``, ``inf``),
    ``add``, ``mul``, ``div``, ``pow``, ``neg``, ``pm`` (both signs), ``fn`` (value: name),
    ``apply`` (an unknown function), ``series`` (sum, product: value, variable, from, to, body)
structures
    ``tuple`` and ``brackets`` (value: the two delimiters), ``list``, ``set``, ``matrix`` (rows are
    ``tuple``), ``ratio``, ``builder``, ``realset`` (named), ``union``, ``inter``, ``minus``
statements
    ``rel`` (value: operators), ``in``, ``and``, ``or``, ``words``
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from harness.grading.parse import balanced, normalise


def words(text: str) -> list[str]:
    """List the words of a text."""
    return text.split()


class Unreadable(Exception):
    """The text is not of the language that is parsed here."""


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a tree.

    Attributes:
        kind: See the module's docstring.
        args: The children.
        value: What else the kind needs.
    """

    kind: str
    args: tuple[Node, ...] = ()
    value: Any = None

    def walk(self) -> list[Node]:
        """List this node and all below it."""
        found = [self]
        for node in found:
            found.extend(node.args)
        return found


class Written(Fraction):
    """A decimal as written: its value, and how many digits were given."""

    __slots__ = ("places", "significant")

    places: int
    significant: int

    @classmethod
    def read(cls, text: str) -> Written:
        """Read digits with a decimal point."""
        whole, _, part = text.partition(".")
        written = cls(int((whole or "0") + part), 10 ** len(part))
        written.places = len(part)
        written.significant = len((whole + part).lstrip("0"))
        return written


def number(value: int | Fraction) -> Node:
    """Make a number."""
    return Node("num", value=Fraction(value))


_FUNCTIONS = [
    "arcsinh",
    "arccosh",
    "arctanh",
    "arcsin",
    "arccos",
    "arctan",
    "arccot",
    "arcsec",
    "arccsc",
    "arsinh",
    "arcosh",
    "artanh",
    "asinh",
    "acosh",
    "atanh",
    "asin",
    "acos",
    "atan",
    "acot",
    "asec",
    "acsc",
    "sinh",
    "cosh",
    "tanh",
    "coth",
    "sech",
    "csch",
    "sin",
    "cos",
    "tan",
    "cot",
    "sec",
    "csc",
    "log",
    "ln",
    "lg",
    "exp",
    "sqrt",
    "abs",
    "Abs",
    "gcd",
    "lcm",
    "max",
    "min",
    "factorial",
    "factorial2",
    "floor",
    "ceil",
    "ceiling",
    "binomial",
    "cbrt",
    "sgn",
    "sign",
    "det",
    "Re",
    "Im",
]
#: Names of functions, longest first, so that "sinhx" is not read as sin of hx.
FUNCTIONS = sorted(_FUNCTIONS, key=len, reverse=True)
_FUNCTION_SET = frozenset(FUNCTIONS)
_SYNONYMS = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "acot": "arccot", "asec": "arcsec",
    "acsc": "arccsc", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh",
    "arsinh": "arcsinh", "arcosh": "arccosh", "artanh": "arctanh", "Abs": "abs",
    "ceiling": "ceil", "binomial": "binom", "sign": "sgn",
}  # fmt: skip

_GREEK = words(
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu "
    "nu xi rho sigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Sigma "
    "Phi Psi Omega ell hbar"
)
_UNICODE = {
    "π": r"\pi ", "∞": r"\infty ", "√": r"\sqrt ", "∪": r"\cup ", "∩": r"\cap ", "≤": r"\le ",
    "≥": r"\ge ", "⩽": r"\le ", "⩾": r"\ge ", "≠": r"\ne ", "≈": r"\approx ", "×": r"\times ",
    "·": r"\cdot ", "⋅": r"\cdot ", "÷": "/", "∈": r"\in ", "ℝ": r"\mathbb{R}",
    "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}", "∅": r"\emptyset ", "±": r"\pm ", "∓": r"\mp ",
    "°": r"^{\circ}", "º": r"^{\circ}", "²": "^{2}", "³": "^{3}", "⁴": "^{4}", "½": r"\frac{1}{2}",
    "＞": ">", "＜": "<", "∖": r"\setminus ", "∨": r"\lor ", "∧": r"\land ", "θ": r"\theta ",
    "α": r"\alpha ", "β": r"\beta ", "γ": r"\gamma ", "λ": r"\lambda ", "μ": r"\mu ",
    "ω": r"\omega ", "φ": r"\phi ", "ξ": r"\xi ", "σ": r"\sigma ", "ρ": r"\rho ", "δ": r"\delta ",
    "ε": r"\epsilon ", "τ": r"\tau ", "∣": r"\mid ", "∀": " ",
    **{chr(0x2460 + k): f"{k + 1}, " for k in range(20)},  # circled numbers of a list
}  # fmt: skip

#: What LaTeX commands mean to the parser: token kind and value.
_COMMANDS: dict[str, tuple[str, str]] = {
    **{name: ("fn", _SYNONYMS.get(name, name)) for name in FUNCTIONS},
    **{name: ("sym", name) for name in _GREEK},
    "pi": ("const", "pi"), "infty": ("const", "inf"), "frac": ("frac", ""), "cfrac": ("frac", ""),
    "dbinom": ("binom", ""), "tbinom": ("binom", ""), "binom": ("binom", ""), "sqrt": ("sqrt", ""),
    "times": ("op", "*"), "cdot": ("op", "*"), "ast": ("op", "*"), "div": ("op", "/"),
    "pm": ("op", "pm"), "mp": ("op", "mp"), "le": ("rel", "<="), "leq": ("rel", "<="),
    "leqslant": ("rel", "<="), "ge": ("rel", ">="), "geq": ("rel", ">="), "geqslant": ("rel", ">="),
    "lt": ("rel", "<"), "gt": ("rel", ">"), "ne": ("rel", "!="), "neq": ("rel", "!="),
    "approx": ("rel", "~"), "simeq": ("rel", "~"), "equiv": ("rel", "="), "colon": ("op", ":"),
    "in": ("in", ""), "cup": ("setop", "union"), "bigcup": ("setop", "union"),
    "cap": ("setop", "inter"), "setminus": ("setop", "minus"), "backslash": ("setop", "minus"),
    "emptyset": ("realset", "empty"), "varnothing": ("realset", "empty"), "R": ("realset", "R"),
    "mid": ("op", "|"), "vert": ("op", "|"), "lvert": ("op", "|"), "rvert": ("op", "|"),
    "lfloor": ("open", "floor"), "rfloor": ("close", "floor"), "lceil": ("open", "ceil"),
    "rceil": ("close", "ceil"), "{": ("open", "{"), "}": ("close", "{"), "lbrace": ("open", "{"),
    "rbrace": ("close", "{"), "lbrack": ("open", "["), "rbrack": ("close", "["),
    "langle": ("open", "("), "rangle": ("close", "("), "circ": ("deg", ""), "degree": ("deg", ""),
    "prime": ("op", "'"), "bmod": ("mod", ""), "sum": ("series", "sum"), "prod": ("series", "prod"),
    "lor": ("word", "or"), "vee": ("word", "or"), "land": ("word", "and"), "wedge": ("word", "and"),
    "%": ("op", "%"), "cupdot": ("setop", "union"), "ldots": ("sym", "dots"),
    "dots": ("sym", "dots"), "cdots": ("sym", "dots"), "to": ("word", "to"),
}  # fmt: skip
#: Commands that change the look of their argument only.
_FONTS = frozenset(
    words(
        "mathbf mathit mathsf mathcal boldsymbol bm vec overline bar hat boxed fbox underline "
        "displaystyle mathop phantom"
    )
)
_TEXTS = frozenset(words("text mathrm textbf textit textrm mbox operatorname rm mathtt texttt"))

_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>\d+(?:\.\d+)?|\.\d+)"
    r"|\\(?P<command>[a-zA-Z]+|.)"
    r"|(?P<letters>factorial2|log10|log2|[A-Za-z]+)"
    r"|(?P<power>\*\*|\^)"
    r"|(?P<rel><=|>=|!=|==|=|<|>|≡)"
    r"|(?P<other>.)",
    re.S,
)
_THOUSANDS_PLAIN = re.compile(
    r"(?<![\d.,])(\d{1,3})((?:(?:\{,\}|\\,\s?|,\\!|,\s?\\!)\d{3})+)(?!\d)"
)
_SCRIPT_TAG = re.compile(r"<(sup|sub)>(.*?)</\1>", re.S)
_SPACED_THOUSANDS = re.compile(r"\A\s*[-+]?\d{1,3}(?: \d{3})+(?:\.\d+)?\s*\Z")


@dataclass(frozen=True, slots=True)
class Token:
    """One token: its kind, its value, and whether a space stood before it."""

    kind: str
    value: str
    spaced: bool = False


def join_thousands(text: str) -> str:
    """Take out thousands separators; a plain comma counts only outside brackets."""
    text = _THOUSANDS_PLAIN.sub(lambda m: m[1] + re.sub(r"\D", "", m[2]), text)
    if _SPACED_THOUSANDS.match(text):
        return text.replace(" ", "")
    if not re.search(r"\d,\d{3}", text):
        return text
    out, depth, start = [], 0, 0
    for i, char in enumerate(text):
        # Grouping braces of LaTeX ("\frac{1,000}{3}") do not make a list of their content.
        if char in "([" or text[i - 1 : i + 1] == "\\{":
            if depth == 0:
                out.append(_plain_commas(text[start:i]))
                start = i
            depth += 1
        elif (char in ")]" or text[i - 1 : i + 1] == "\\}") and depth:
            depth -= 1
            if depth == 0:
                out.append(text[start : i + 1])
                start = i + 1
    out.append(_plain_commas(text[start:]) if depth == 0 else text[start:])
    return "".join(out)


def _plain_commas(text: str) -> str:
    pattern = r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])"
    return re.sub(pattern, lambda m: m[0].replace(",", ""), text)


def prepare(text: str, *, thousands: bool = True) -> str:
    """Bring a text into the one spelling the tokenizer knows."""
    text = _SCRIPT_TAG.sub(lambda m: ("^" if m[1] == "sup" else "_") + "{" + m[2] + "}", text)
    if not text.isascii():
        for char, command in _UNICODE.items():
            if char in text:
                text = text.replace(char, command)
    if thousands:
        text = join_thousands(text)
    text = normalise(text)
    text = re.sub(r"(?<=\d)\s*[xX]\s*(?=10\s*(?:\^|\*\*))", r"\\cdot ", text)
    return re.sub(r"[£€¥]|(?<=[\w}])\.(?=\s*[)\]])", " ", text)


def tokenize(text: str) -> list[Token]:
    """Cut a prepared text into tokens.

    Raises:
        Unreadable: A character or command has no meaning here.
    """
    tokens: list[Token] = []
    spaced = False
    position, end = 0, len(text)
    while position < end:
        match = _TOKEN.match(text, position)
        assert match is not None
        position = match.end()
        kind, value = match.lastgroup, match.group(match.lastgroup or 0)
        if kind == "space":
            spaced = True
            continue
        if kind == "command":
            position = _command(text, position, value, spaced, tokens)
        elif kind == "letters":
            tokens.extend(_letters(value, spaced))
        elif kind == "rel":
            tokens.append(Token("rel", {"==": "=", "≡": "="}.get(value, value), spaced))
        elif kind == "power":
            tokens.append(Token("op", "^", spaced))
        elif kind == "number":
            tokens.append(Token("number", value, spaced))
        else:
            tokens.append(_other(value, spaced))
        spaced = False
    return tokens


def _other(char: str, spaced: bool) -> Token:
    if char in "([":
        return Token("open", char, spaced)
    if char in ")]":
        return Token("close", "(" if char == ")" else "[", spaced)
    if char in "{}":
        return Token("group", char, spaced)
    if char in "+-*/,;:|!'%_&":
        return Token("op", char, spaced)
    if char == "~":
        return Token("rel", "~", spaced)
    raise Unreadable(f"character {char!r}")


def _letters(run: str, spaced: bool) -> list[Token]:
    """Read a run of letters: a known name, a word, or a product of single letters."""
    if run in _FUNCTION_SET:
        return [Token("fn", _SYNONYMS.get(run, run), spaced)]
    if run in ("log10", "log2"):
        base = [Token("op", "_"), Token("number", run[3:])]
        return [Token("fn", "log", spaced), *base]
    if run in _GREEK or run in ("pi", "inf", "oo", "infinity"):
        return (
            [Token("const", "pi" if run == "pi" else "inf", spaced)]
            if run not in _GREEK
            else [Token("sym", run, spaced)]
        )
    tokens: list[Token] = []
    i = 0
    while i < len(run):
        name = next(
            (f for f in FUNCTIONS if run.startswith(f, i) and len(f) > 2 or run[i:] == f), ""
        )
        name = name or (
            "ln" if run.startswith("ln", i) else "pi" if run.startswith("pi", i) else ""
        )
        if name:
            kind = "const" if name == "pi" else "fn"
            tokens.append(Token(kind, _SYNONYMS.get(name, name), spaced))
        else:
            tokens.append(Token("sym", run[i], spaced))
        i += len(name) or 1
        spaced = False
    singles = sum(token.kind == "sym" for token in tokens)
    if singles > 3 or (len(run) > 3 and singles > 2) or run.lower() in _WORDS:
        return [Token("word", run, tokens[0].spaced)]
    return tokens


_WORDS = frozenset(
    words(
        "and or is are the of for all in to an no yes not any where if cm mm km kg mg ml ft mph "
        "min hr hrs sec lbs oz mi yd rad deg day ohm dm cc kj kwh mwh"
    )
)


def _command(text: str, position: int, name: str, spaced: bool, tokens: list[Token]) -> int:
    """Append the tokens of a command; return where to go on."""
    known = _COMMANDS.get(name)
    if known is not None:
        tokens.append(Token(known[0], known[1], spaced))
        return position
    if name in _TEXTS:
        content, position = _argument(text, position)
        tokens.extend(_text_tokens(content, spaced))
        return position
    if name in _FONTS:
        return position
    if name in ("mathbb", "Bbb"):
        content, position = _argument(text, position)
        tokens.append(Token("realset", content.strip(), spaced))
        return position
    if name in ("begin", "end"):
        content, position = _argument(text, position)
        tokens.append(Token(name, content.strip().rstrip("*"), spaced))
        return position
    if name == "\\":
        tokens.append(Token("op", "\\\\", spaced))
        return position
    raise Unreadable(f"command {name!r}")


def _text_tokens(content: str, spaced: bool) -> list[Token]:
    r"""Read what stands in ``\text{}``: a number, a function, a connective, a letter or words."""
    bare = content.strip()
    if not bare:
        return []
    if bare in _FUNCTION_SET:
        return [Token("fn", _SYNONYMS.get(bare, bare), spaced)]
    if re.fullmatch(r"[\d.,%]+|[a-zA-Z]'?", bare):
        return [_single(bare, spaced)] if bare.isalpha() else tokenize(bare)
    inner = re.fullmatch(r"(,?)\s*(and|or)\s*", bare)
    if inner:
        return [Token("word", inner[2], spaced)]
    if bare in (",", ";", ":"):
        return [Token("op", bare, spaced)]
    return [Token("text", bare, spaced)]


def _single(letter: str, spaced: bool) -> Token:
    return Token("sym", letter, spaced)


def _argument(text: str, position: int) -> tuple[str, int]:
    """Return the brace group (or single character) at a position, and where it ends."""
    while position < len(text) and text[position].isspace():
        position += 1
    if position >= len(text):
        raise Unreadable("a command without its argument")
    if text[position] != "{":
        return text[position], position + 1
    end = balanced(text, position)
    if end < 0:
        raise Unreadable("unbalanced braces")
    return text[position + 1 : end - 1], end
