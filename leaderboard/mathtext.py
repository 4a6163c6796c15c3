r"""Which parts of foreign text may be drawn as formulas; no drawing.

A formula goes to KaTeX only if every character, every command and every environment of it is on a
list, and it is short, shallow and balanced. The lists hold what writes mathematics and nothing that
defines, loads, links, colours, measures or moves: what is not listed stays the source text that it
was. In particular no formula holds ``$``, a backtick or a line break, so that none can end the
Markdown fence that Streamlit puts around it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST_FORMULA = 600
DEEPEST_NESTING = 12
MOST_COMMANDS = 120
MOST_FORMULAS = 80
"""In one text; what comes later stays source text."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a text.

    Attributes:
        source: As it was written, delimiters and all.
        formula: What KaTeX may be given for it; empty where it is to be shown as text.
        display: The formula stands on a line of its own.
    """

    source: str
    formula: str = ""
    display: bool = False


_COMMAND_NAMES = """
alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi
varpi rho varrho sigma varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi
Pi Sigma Upsilon Phi Psi Omega ell hbar imath jmath Re Im aleph wp frac dfrac tfrac cfrac binom
dbinom tbinom sqrt boxed fbox sum prod coprod int iint iiint oint bigcup bigcap bigoplus bigotimes
bigvee bigwedge lim limsup liminf max min sup inf arg det dim deg exp gcd hom ker ln log lg Pr sin
cos tan cot sec csc arcsin arccos arctan sinh cosh tanh coth bmod pmod pod mod cdot cdots ldots
dots dotsb dotsc vdots ddots times div pm mp ast star circ bullet oplus otimes ominus odot cup cap
setminus smallsetminus wedge vee land lor lnot neg le leq leqslant ge geq geqslant lt gt ne neq
equiv approx cong sim simeq propto ll gg asymp doteq in notin ni subset subseteq supset supseteq
subsetneq supsetneq emptyset varnothing mid nmid parallel nparallel perp angle measuredangle
triangle square blacksquare Box Diamond to gets mapsto rightarrow leftarrow leftrightarrow
longrightarrow longleftarrow Rightarrow Leftarrow Leftrightarrow Longrightarrow Longleftrightarrow
implies impliedby iff uparrow downarrow Uparrow Downarrow hookrightarrow rightharpoonup nearrow
searrow longmapsto forall exists nexists infty partial nabla prime degree therefore because qed
left right middle big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr langle rangle
lfloor rfloor lceil rceil lvert rvert lVert rVert vert Vert lbrace rbrace lbrack rbrack backslash
overline underline widehat widetilde hat tilde bar vec dot ddot overrightarrow overbrace
underbrace overset underset stackrel limits nolimits not mathbb mathbf mathcal mathfrak mathit
mathrm mathsf mathscr boldsymbol bm operatorname text textbf textit textrm mbox displaystyle
textstyle quad qquad begin end
"""
_COMMANDS = frozenset(_COMMAND_NAMES.split())
_SYMBOL_COMMANDS = frozenset("\\{}|,;:!% &#_")
_ENVIRONMENT_NAMES = """
aligned align align* gathered gather gather* equation equation* split cases matrix pmatrix bmatrix
vmatrix Vmatrix Bmatrix smallmatrix array
"""
_ENVIRONMENTS = frozenset(_ENVIRONMENT_NAMES.split())
# Within a formula an environment that lays out a whole page stands for its inner twin.
_INNER = {
    "align": "aligned",
    "align*": "aligned",
    "split": "aligned",
    "gather": "gathered",
    "gather*": "gathered",
    "equation": "gathered",
    "equation*": "gathered",
}
_TEXT_COMMANDS = frozenset({"text", "textbf", "textit", "textrm", "mbox", "operatorname"})
_PLAIN_ARGUMENT = re.compile(r"\{[A-Za-z0-9 .,;:()/'\-]*\}")
_NAME = re.compile(r"\{([A-Za-z]+\*?)\}")
_COLUMNS = re.compile(r"\{[lcr| ]*\}")
_COMMAND = re.compile(r"\\([A-Za-z]+|.)")
_PLAIN = re.compile(r"[A-Za-z0-9 +\-*/=<>()\[\]{}|.,;:!?'^_&~]")
_ROW_BREAK_WITH_LENGTH = re.compile(r"\\\\\s*(\*|\[)")

# Bounded, so that a text full of openings without an end takes no longer than its length.
_BODY = f".{{1,{LONGEST_FORMULA}}}?"
_FORMULA = re.compile(
    rf"\$\$(?P<dollars>{_BODY})\$\$"
    rf"|\\\[(?P<bracket>{_BODY})\\\]"
    rf"|\\\((?P<paren>{_BODY})\\\)"
    r"|(?P<environment>\\begin\{(?P<name>align|gather|equation)(?P<star>\*?)\}"
    rf"{_BODY}\\end\{{(?P=name)(?P=star)\}})"
    # A dollar sign before a number is money unless it ends like a formula, too.
    rf"|(?<![\\$\w])\$(?P<dollar>[^\s$](?:[^$\n]{{0,{LONGEST_FORMULA}}}?[^\s$\\])?)\$(?![\w$])",
    re.DOTALL,
)


def split(text: str) -> list[Part]:
    """Return a text as parts that, put together, are the text again.

    Args:
        text: What somebody else wrote.

    Returns:
        Formulas that may be drawn, and the text around them.
    """
    parts: list[Part] = []
    begin = drawn = 0
    for found in _FORMULA.finditer(text):
        groups = found.groupdict()
        display = groups["dollar"] is None and groups["paren"] is None
        body = next(
            groups[name]
            for name in ("dollars", "bracket", "paren", "environment", "dollar")
            if groups[name] is not None
        )
        formula = fit(body) if drawn < MOST_FORMULAS else ""
        if not formula:
            continue
        if found.start() > begin:
            parts.append(Part(text[begin : found.start()]))
        parts.append(Part(found.group(), formula, display))
        begin = found.end()
        drawn += 1
    if begin < len(text):
        parts.append(Part(text[begin:]))
    return parts


def fit(body: str) -> str:
    """Return what KaTeX may be given of a formula's inside, empty if it may not be drawn.

    Args:
        body: The formula without its delimiters.
    """
    if len(body) > LONGEST_FORMULA:
        return ""
    line = " ".join(body.split())
    # A row may be as far away as a length after its break says.
    if not line or _ROW_BREAK_WITH_LENGTH.search(line):
        return ""
    out: list[str] = []
    open_groups: list[str] = []
    position = commands = 0
    while position < len(line):
        character = line[position]
        if character != "\\":
            if not _PLAIN.fullmatch(character):
                return ""
            if character == "{":
                open_groups.append("{")
            elif character == "}" and not (open_groups and open_groups.pop() == "{"):
                return ""
            out.append(character)
            position += 1
        else:
            found = _COMMAND.match(line, position)
            commands += 1
            if found is None or commands > MOST_COMMANDS:
                return ""
            read = _command(line, found, open_groups)
            if read is None:
                return ""
            text, position = read
            out.append(text)
        if len(open_groups) > DEEPEST_NESTING:
            return ""
    return "" if open_groups else "".join(out)


def _command(line: str, found: re.Match[str], open_groups: list[str]) -> tuple[str, int] | None:
    """Return a command as KaTeX may read it and where it ends, ``None`` if it may not be drawn."""
    name, end = found[1], found.end()
    if not name.isalpha():
        return (found[0], end) if name in _SYMBOL_COMMANDS else None
    if name not in _COMMANDS:
        return None
    if name in _TEXT_COMMANDS:
        argument = _PLAIN_ARGUMENT.match(line, end)
        return (f"\\{name}{argument[0]}", argument.end()) if argument else None
    if name in ("left", "right"):
        return _fence(line, name, end, open_groups)
    if name in ("begin", "end"):
        return _environment(line, name, end, open_groups)
    return found[0], end


def _fence(line: str, name: str, end: int, open_groups: list[str]) -> tuple[str, int] | None:
    if name == "left":
        open_groups.append("left")
    elif not (open_groups and open_groups.pop() == "left"):
        return None
    return f"\\{name}", end


def _environment(line: str, name: str, end: int, open_groups: list[str]) -> tuple[str, int] | None:
    found = _NAME.match(line, end)
    if found is None or found[1] not in _ENVIRONMENTS:
        return None
    written = f"\\{name}{{{_INNER.get(found[1], found[1])}}}"
    end = found.end()
    if name == "end":
        matches = open_groups and open_groups.pop() == found[1]
        return (written, end) if matches else None
    open_groups.append(found[1])
    if found[1] == "array":
        columns = _COLUMNS.match(line, end)
        if columns is None:
            return None
        return written + columns[0], columns.end()
    return written, end
