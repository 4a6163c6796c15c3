"""The tokenizer: LaTeX, plain text and code-like notation become one list of tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.grading.parsing.normalize import balanced
from harness.grading.parsing.tree import ParseError, words

_FUNCTIONS = words(
    "arcsinh arccosh arctanh arccoth arcsech arccsch arcsin arccos arctan arccot arcsec arccsc "
    "arccosec arccotan arctg arcctg arsinh arcosh artanh asinh acosh atanh acoth asech acsch "
    "asin acos atan acot asec acsc sinh cosh tanh coth sech csch sin cos tan cot sec csc cosec "
    "cotan log ln lg exp sqrt abs Abs gcd lcm max min factorial factorial2 floor ceil ceiling "
    "binom binomial nCr nPr comb perm cbrt sgn sign det Re Im arg cis round Rational Fraction "
    "Sin Cos Tan Log Exp Sqrt Max Min"
)
#: Names of functions, longest first, so that "sinhx" is not read as sin of hx.
FUNCTIONS = sorted(_FUNCTIONS, key=len, reverse=True)
_FUNCTION_SET = frozenset(FUNCTIONS)
_SYNONYMS = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "acot": "arccot", "asec": "arcsec",
    "acsc": "arccsc", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh",
    "arsinh": "arcsinh", "arcosh": "arccosh", "artanh": "arctanh", "Abs": "abs",
    "ceiling": "ceil", "binomial": "binom", "sign": "sgn",
    "acoth": "arccoth", "asech": "arcsech", "acsch": "arccsch", "arccosec": "arccsc",
    "arccotan": "arccot", "arctg": "arctan", "arcctg": "arccot", "cosec": "csc", "cotan": "cot",
    "nCr": "binom", "comb": "binom", "nPr": "perm", "Fraction": "Rational",
    "Sin": "sin", "Cos": "cos", "Tan": "tan", "Log": "log", "Exp": "exp", "Sqrt": "sqrt",
    "Max": "max", "Min": "min",
}  # fmt: skip

GREEK_LETTERS = words(
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu "
    "nu xi rho varrho sigma varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda "
    "Xi Sigma Phi Psi Omega ell hbar"
)
#: Greek letters that stay characters, because units are written with them.
_GREEK_CHARACTERS = {"μ": "mu", "µ": "mu", "Ω": "Omega"}
#: The sign of a norm, as a token.
NORM = "\u2016"
#: What LaTeX commands mean to the parser: token kind and value.
_COMMANDS: dict[str, tuple[str, str]] = {
    **{name: ("fn", _SYNONYMS.get(name, name)) for name in FUNCTIONS},
    **{name: ("sym", name) for name in GREEK_LETTERS},
    **{name: ("realset", name) for name in "RZNQ"},
    **{name: ("dots", "dots") for name in words("dots ldots cdots dotsc dotsb dotsm dotso")},
    **{name: ("op", "|") for name in words("mid vert lvert rvert")},
    **{name: ("op", NORM) for name in words("Vert lVert rVert |")},
    "pi": ("const", "pi"), "infty": ("const", "inf"), "frac": ("frac", ""), "cfrac": ("frac", ""),
    "dbinom": ("binom", ""), "tbinom": ("binom", ""), "binom": ("binom", ""), "sqrt": ("sqrt", ""),
    "times": ("op", "*"), "cdot": ("op", "*"), "cdotp": ("op", "*"), "ast": ("op", "*"),
    "div": ("op", "/"), "pm": ("op", "pm"), "mp": ("op", "mp"), "le": ("rel", "<="),
    "leq": ("rel", "<="), "leqslant": ("rel", "<="), "leqq": ("rel", "<="), "ge": ("rel", ">="),
    "geq": ("rel", ">="), "geqslant": ("rel", ">="), "geqq": ("rel", ">="), "lt": ("rel", "<"),
    "gt": ("rel", ">"), "ne": ("rel", "!="), "neq": ("rel", "!="), "approx": ("rel", "~"),
    "simeq": ("rel", "~"), "equiv": ("rel", "≡"), "colon": ("op", ":"), "pmod": ("pmod", ""),
    "in": ("in", ""), "notin": ("notin", ""), "ni": ("ni", ""), "notni": ("notni", ""),
    **{
        name: ("rel", name)
        for name in words("subset supset subseteq supseteq nsubset nsupset nsubseteq nsupseteq")
    },
    "cup": ("setop", "union"),
    "bigcup": ("setop", "union"), "cap": ("setop", "inter"), "setminus": ("setop", "minus"),
    "backslash": ("setop", "minus"), "emptyset": ("realset", "empty"),
    "varnothing": ("realset", "empty"), "lfloor": ("open", "floor"), "rfloor": ("close", "floor"),
    "lceil": ("open", "ceil"), "rceil": ("close", "ceil"), "{": ("open", "{"), "}": ("close", "{"),
    "lbrace": ("open", "{"), "rbrace": ("close", "{"), "lbrack": ("open", "["),
    "rbrack": ("close", "["), "langle": ("open", "("), "rangle": ("close", "("),
    "circ": ("deg", ""), "degree": ("deg", ""), "prime": ("op", "'"), "bmod": ("mod", ""),
    "sum": ("series", "sum"), "prod": ("series", "prod"), "lor": ("word", "or"),
    "vee": ("word", "or"), "land": ("word", "and"), "wedge": ("word", "and"), "%": ("op", "%"),
    "cupdot": ("setop", "union"), "to": ("word", "to"), "tg": ("fn", "tan"), "ctg": ("fn", "cot"),
    "cotg": ("fn", "cot"), "top": ("sym", "T"), "intercal": ("sym", "T"), "overline": ("conj", ""),
    "bar": ("conj", ""), "int": ("int", ""), "Pr": ("sym", "P"), "dim": ("named", "dim"),
    "ker": ("named", "ker"), "over": ("over", "div"), "choose": ("over", "binom"),
    **{name: ("mark", name) for name in words("odot oplus star dagger perp parallel")},
    "imath": ("sym", "i"), "jmath": ("sym", "j"),
}  # fmt: skip
#: Commands that change the look of their argument only.
_FONTS = frozenset(
    words(
        "mathit mathsf mathcal mathnormal mathscr mathfrak boxed fbox framebox underline mathop "
        "mathbin mathrel mathord"
    )
)
#: Commands that mark a letter as a vector; see ``postprocess.py``.
_BOLD = frozenset(words("mathbf boldsymbol bm pmb vec overrightarrow"))
#: Commands that make another name of a letter.
_ACCENTS = frozenset(words("hat widehat tilde widetilde check breve mathring acute grave"))
_TEXTS = frozenset(words("text mathrm textbf textit textrm mbox operatorname rm mathtt texttt"))
#: Functions that are not computed here, only compared by their arguments.
_NAMED = frozenset(words("erf erfc Ei Li Si Ci sinc tr Tr rank dim ker Var Cov adj vol Area Gamma"))
_TEXT_FUNCTIONS = {"tg": "tan", "ctg": "cot", "cotg": "cot"}

_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>\d+(?:\.\d+)?|\.\d+)"
    r"|\\(?P<command>[a-zA-Z]+|.)"
    r"|(?P<letters>factorial2|log10|log2|[A-Za-z]+)"
    r"|(?P<power>\*\*|\^)"
    r"|(?P<rel><=|>=|!=|==|=|<|>)"
    r"|(?P<other>.)",
    re.S,
)


@dataclass(frozen=True, slots=True)
class Token:
    """One token: its kind, its value, and whether a space stood before it."""

    kind: str
    value: str
    spaced: bool = False


def tokenize(text: str) -> list[Token]:
    """Cut a prepared text into tokens.

    Raises:
        ParseError: A character or command has no meaning here.
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
            called = text.startswith("(", position)
            tokens.extend(_letters(value, spaced, called))
        elif kind == "rel":
            tokens.extend(_relation(value, spaced, text[max(match.start() - 1, 0) : match.start()]))
        elif kind == "power":
            if value == "**" and tokens and tokens[-1].kind == "sym" and tokens[-1].value == "E":
                tokens[-1] = Token("sym", "e", tokens[-1].spaced)
            tokens.append(Token("op", "^", spaced))
        elif kind == "number":
            tokens.append(Token("number", value, spaced))
        else:
            tokens.append(_other(value, spaced))
        spaced = False
    return _with_sets(_with_unions(_with_changes(tokens)))


def _with_changes(tokens: list[Token]) -> list[Token]:
    r"""Read ``\Delta S`` as one name; a Delta with no letter behind it is a symbol."""
    found: list[Token] = []
    for i, token in enumerate(tokens):
        name = _CHANGED.fullmatch(token.value) if token.kind == "sym" else None
        delta = found[-1] if found and (found[-1].kind, found[-1].value) == _DELTA else None
        called = i + 1 < len(tokens) and tokens[i + 1].kind == "open"
        # A root or a power takes the Delta alone.
        taken = len(found) > 1 and (
            found[-2].kind in ("sqrt", "frac") or found[-2].value in ("^", "_")
        )
        if name and delta and not called and not taken:
            value = f"{name[1] or ''}\u0394{name[2]}{name[3] or ''}"
            found[-1] = Token("sym", value, delta.spaced)
        else:
            found.append(token)
    return found


_DELTA = ("sym", "Delta")
#: A letter, in bold type or under an arrow perhaps.
_CHANGED = re.compile(r"(vec\()?((?!Delta\b)[A-Za-z]+)(\))?")


def _with_sets(tokens: list[Token]) -> list[Token]:
    r"""Read plain braces beside a set operation, as in ``{1} \cup {2}``, as a set."""
    if not any(token.kind == "setop" for token in tokens):
        return tokens
    opened: list[int] = []
    for i, token in enumerate(tokens):
        if token.kind == "group" and token.value == "{":
            opened.append(i)
        elif token.kind == "group" and opened:
            start = opened.pop()
            before = tokens[start - 1].kind if start else "setop"
            after = tokens[i + 1].kind if i + 1 < len(tokens) else "close"
            if before in ("setop", "open") and after in ("setop", "close") and i > start + 1:
                tokens[start] = Token("open", "{", tokens[start].spaced)
                tokens[i] = Token("close", "{", token.spaced)
    return tokens


def _with_unions(tokens: list[Token]) -> list[Token]:
    """Read the letter of ``[0, 1] U (2, 3)`` as the sign of a union."""
    for i in range(1, len(tokens) - 1):
        token = tokens[i]
        if token.kind == "sym" and token.value in "Uu" and tokens[i + 1].kind == "open":
            before = tokens[i - 1]
            comma = any(t.kind == "op" and t.value in (",", ";") for t in tokens[:i])
            if before.kind == "close" and comma and (token.value == "U" or token.spaced):
                tokens[i] = Token("setop", "union", token.spaced)
    return tokens


def _relation(sign: str, spaced: bool, before: str) -> list[Token]:
    """Read a sign of relation; ``5!=120`` is about a factorial, ``x != 0`` is not."""
    if sign == "!=":
        if before.isdigit() or before == "!":
            return [Token("op", "!", spaced), Token("rel", "=")]
        if before and not before.isspace():
            raise ParseError("a factorial or an inequality")
    return [Token("rel", "=" if sign == "==" else sign, spaced)]


def _other(char: str, spaced: bool) -> Token:
    if char in "([":
        return Token("open", char, spaced)
    if char in ")]":
        return Token("close", "(" if char == ")" else "[", spaced)
    if char in "{}":
        return Token("group", char, spaced)
    if char in "+-*/,;:|!'%_&":
        return Token("op", char, spaced)
    if char in _GREEK_CHARACTERS:
        return Token("sym", _GREEK_CHARACTERS[char], spaced)
    raise ParseError(f"character {char!r}")


_INFINITY = frozenset(("inf", "oo", "infinity", "infty", "Infinity"))
#: Names that are found inside runs of letters, such as "xsinx".
_EMBEDDED = [
    f for f in FUNCTIONS if len(f) > 2 and not f[0].isupper() and f not in
    words("arg cis round comb perm nCr nPr binom binomial floor ceil ceiling factorial")
]  # fmt: skip


def _letters(run: str, spaced: bool, called: bool = False) -> list[Token]:
    """Read a run of letters: a known name, a word, or a product of single letters."""
    if run in _FUNCTION_SET:
        return [Token("fn", _SYNONYMS.get(run, run), spaced)]
    if run in ("re", "im") and called:
        return [Token("fn", run.capitalize(), spaced)]
    if run in ("log10", "log2"):
        return [Token("fn", "log", spaced), Token("base", run[3:])]
    if run in GREEK_LETTERS:
        return [Token("sym", run, spaced)]
    if run in ("pi", "Pi") or run in _INFINITY:
        return [Token("const", "pi" if run in ("pi", "Pi") else "inf", spaced)]
    tokens: list[Token] = []
    i = 0
    while i < len(run):
        name = next((f for f in _EMBEDDED if run.startswith(f, i)), "")
        if not name and run[i:] in _FUNCTION_SET:
            name = run[i:]
        name = name or next((n for n in ("ln", "pi") if run.startswith(n, i)), "")
        if name in _AMBIGUOUS:
            raise ParseError(f"{run!r} may be a product")
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


#: "acosx" may be a cos x.
_AMBIGUOUS = frozenset(f"a{name}" for name in words("sin cos tan cot sec csc sinh cosh tanh"))
_WORDS = frozenset(
    words(
        "and or is are the of for all in to an no yes not any where if cm mm km kg ml ft mph "
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
        bare = content.strip()
        if bare in _NAMED or (name == "operatorname" and bare.isalpha() and not _known(bare)):
            tokens.append(Token("named", bare, spaced))
        else:
            tokens.extend(_text_tokens(content, spaced))
        return position
    if name in _FONTS:
        return position
    if name in _BOLD:
        content, end = _argument(text, position)
        if not re.fullmatch(r"\s*[A-Za-z]\s*", content):
            return position
        tokens.append(Token("sym", f"vec({content.strip()})", spaced))
        return end
    if name in _ACCENTS:
        content, position = _argument(text, position)
        tokens.append(Token("sym", f"{name.replace('wide', '')}({_bare(content)})", spaced))
        return position
    if name in ("dot", "ddot"):
        content, position = _argument(text, position)
        order = 1 if name == "dot" else 2
        tokens.append(Token("sym", derivative("d", _bare(content), "t", order), spaced))
        return position
    if name == "differential":
        content, position = _argument(text, position)
        tokens.append(Token("differential", _bare(content), spaced))
        return position
    if name == "derivative":
        content, position = _argument(text, position)
        sign, of, by, times = _bare(content).split("|")
        tokens.append(Token("sym", derivative(sign, of, by, int(times)), spaced))
        return position
    if name in ("phantom", "hphantom", "vphantom", "color"):
        return _argument(text, position)[1]
    if name in ("textcolor", "mathcolor"):
        return _argument(text, position)[1]
    if name in ("angle", "measuredangle"):
        match = _ANGLE_NAME.match(text, position)
        if match is None:
            raise ParseError("an angle without a name")
        corners = match[1] or match[2]
        tokens.append(Token("sym", f"angle {min(corners, corners[::-1])}", spaced))
        return match.end()
    if name in ("mathbb", "Bbb"):
        content, position = _argument(text, position)
        kind = "sym" if content.strip() in ("P", "E") else "realset"
        tokens.append(Token(kind, content.strip(), spaced))
        return position
    if name in ("begin", "end"):
        content, position = _argument(text, position)
        tokens.append(Token(name, content.strip().rstrip("*"), spaced))
        return position
    if name == "\\":
        tokens.append(Token("op", "\\\\", spaced))
        return position
    raise ParseError(f"command {name!r}")


_ANGLE_NAME = re.compile(r"\s*(?:\{\s*([A-Z](?:[A-Z]{2})?)\s*\}|([A-Z](?:[A-Z]{2})?)(?![A-Za-z]))")


def _bare(text: str) -> str:
    return re.sub(r"[\s\\{}]", "", text)


def derivative(sign: str, of: str, by: str, order: int) -> str:
    """Name a derivative as one symbol: y' for that of y by x."""
    if sign == "d" and by == "x":
        return of + "'" * order
    return f"{sign}{order}({of})/{by}"


def _known(name: str) -> bool:
    return len(name) == 1 or name in _FUNCTION_SET or name in _TEXT_FUNCTIONS


def _text_tokens(content: str, spaced: bool) -> list[Token]:
    r"""Read what stands in ``\text{}``: a number, a function, a connective, a letter or words."""
    bare = content.strip()
    if not bare:
        return []
    if bare in _FUNCTION_SET:
        return [Token("fn", _SYNONYMS.get(bare, bare), spaced)]
    if re.fullmatch(r"[\d.,%]+|[a-zA-Z]'?", bare):
        return [Token("sym", bare, spaced)] if bare.isalpha() else tokenize(bare)
    if bare in _TEXT_FUNCTIONS:
        return [Token("fn", _TEXT_FUNCTIONS[bare], spaced)]
    inner = re.fullmatch(r"(,?)\s*(and|or)\s*", bare)
    if inner:
        return [Token("word", inner[2], spaced)]
    if bare in (",", ";", ":"):
        return [Token("op", bare, spaced)]
    return [Token("text", bare, spaced)]


def _argument(text: str, position: int) -> tuple[str, int]:
    """Return the brace group (or single character) at a position, and where it ends."""
    while position < len(text) and text[position].isspace():
        position += 1
    if position >= len(text):
        raise ParseError("a command without its argument")
    if text[position] != "{":
        return text[position], position + 1
    end = balanced(text, position)
    if end < 0:
        raise ParseError("unbalanced braces")
    return text[position + 1 : end - 1], end
