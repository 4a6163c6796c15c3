"""What an answer says of its names: "for any integer k", "where C is real", "for n ≥ 1"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.grading.parsing.parser import parse
from harness.grading.parsing.tree import Node, ParseError, symbols
from harness.grading.parsing.wording import unwrapped

#: Conditions stand at the end; nothing further back is looked at.
_REACH = 200
_OPENING = re.compile(
    r"(?P<separator>[\s,;:.]*)(?P<bracket>[({]?)\s*(?:\\(?:text|textrm|mathrm|mbox)\s*\{)?[\s,({]*"
    r"(?P<word>for|where|with|such that)\b"
    r"|\s*(?P<comma>[,;])\s*|\s*(?=\()",
)
_NAMES = r"(?P<names>[a-zA-Z](?:_\d)?(?:\s*(?:,|and)\s*[a-zA-Z](?:_\d)?)*)"
_WORDS = (
    r"(?:(?:for|where|with|and|all|some|any|every|each|an?|arbitrary|positive|negative|fixed|given"
    r"|non-?negative|non-?zero|real|complex|natural|whole|rational)\s+)*"
)
_KIND = r"(?:integers?|numbers?|constants?|naturals?|reals?|parameters?)"
_SET = (
    r"(?P<set>(?:\\(?:mathbb|mathbf|mathrm|Bbb)\s*\{?\s*[ZNQRC]\s*\}?|[ZNQRCℤℕℚℝℂ])"
    r"\s*(?:[_^]\s*\{?[\s+*0-9<>=-]*\}?|\+|\*)*)"
)
_MEMBERSHIP = tuple(
    re.compile(_WORDS + condition + r"\Z")
    for condition in (
        rf"{_NAMES}\s*(?:\\in(?![a-zA-Z])|∈)\s*{_SET}",
        rf"{_KIND}\s+{_NAMES}",
        rf"{_NAMES}\s+(?:is|are|being)?\s*(?:an?\s+|any\s+)*{_WORDS}(?:{_KIND}|real|arbitrary)",
        rf"{_NAMES}\s+(?:is|are)\s+{_WORDS}(?:{_KIND})",
    )
)
_RELATION = re.compile(r"[<>≤≥≠]|\\(?:le|ge|leq|geq|leqslant|geqslant|ne|neq|lt|gt)(?![a-zA-Z])")
_MENTIONED = re.compile(r"\\in|∈|integer|constant|number|natural|real|arbitrary|parameter|where")
_WHOLE = re.compile(r"integer|natural|[ℤℕ]|(?<![A-Za-z])[ZN](?![A-Za-z])")
#: Words for sets of numbers, those for smaller sets first.
_DOMAINS = (
    ("N", re.compile(r"natural|[ℕN]")), ("Z", re.compile(r"integer|whole|[ℤZ]")),
    ("Q", re.compile(r"rational|[ℚQ]")), ("C", re.compile(r"complex|[ℂC]")),
    ("R", re.compile(r"real|[ℝR]")),
)  # fmt: skip
_PARTS = (
    ("*", re.compile(r"non-?zero|\*")),
    ("0+", re.compile(r"non-?negative|≥\s*0|>\s*=\s*0|\+.*0|0.*\+|[Nℕ][\s}]*_[\s{]*0")),
    ("+", re.compile(r"positive|\+|>")), ("-", re.compile(r"negative|-|<")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Qualified:
    """An answer without its conditions, and what they said.

    Attributes:
        core: The text without them.
        whole: Names said to be whole numbers.
        domains: The sets that names are said to be from, such as ``Z+``; empty for "constant".
        relations: What else is said of names.
        definitions: What names are defined to be ("where φ = …").
    """

    core: str
    whole: frozenset[str] = frozenset()
    domains: Mapping[str, str] = field(default_factory=dict)
    relations: tuple[Node, ...] = ()
    definitions: tuple[tuple[str, Node], ...] = ()


def split_qualifiers(text: str) -> Qualified:
    r"""Take a closing "for all integers k", ", k \in \mathbb{Z}" or "for n ≥ 1" off a text."""
    begin = max(1, len(text) - _REACH)
    if not _MENTIONED.search(text, begin) and not _RELATION.search(text, begin):
        return Qualified(text)
    for opening in _OPENING.finditer(text, begin):
        core = text[: opening.start()].rstrip(" ,;:.")
        if not core or not _is_whole(core):
            continue
        found = _conditions(text[opening.end() :], core, opening)
        if found is not None:
            return found
    return Qualified(text)


def _is_whole(core: str) -> bool:
    """Say whether all brackets of a text are closed: ``{x | x ∈ R}`` has no condition behind it."""
    return (
        core.count("{") == core.count("}")
        and core.count("(") + core.count("[") == core.count(")") + core.count("]")
        and not core.endswith(("\\in", "|", "\\mid", "=", "<", ">"))
    )


def _conditions(rest: str, core: str, opening: re.Match[str]) -> Qualified | None:
    rest = re.sub(r"\s+", " ", unwrapped(_balanced_end(rest))).strip(" .,;")
    rest = re.sub(r"\A\((.*)\)\Z", r"\1", rest)
    whole: set[str] = set()
    domains: dict[str, str] = {}
    relations: list[Node] = []
    definitions: list[tuple[str, Node]] = []
    clauses = re.split(r"\s*(?:,|;|\band\b)\s*(?=\S)", rest)
    for clause in [rest] if _membership(rest) is not None else clauses:
        names = _membership(clause)
        if names is not None:
            domains |= dict.fromkeys(names, _domain(clause))
            whole |= names if _WHOLE.search(clause) else frozenset()
            continue
        definition = _definition(clause) if opening["word"] in ("where", "with") else None
        if definition is not None:
            definitions.append(definition)
            continue
        relation = _relation(re.sub(rf"\A{_WORDS}", "", clause))
        if relation is None or _RELATION.search(core) or "\\in" in core:
            return None
        # Behind a mere comma it might be another part of a list.
        if not opening["word"] and not all(_occurs(n, core) for n in symbols(relation)):
            return None
        relations.append(relation)
    return Qualified(core, frozenset(whole), domains, tuple(relations), tuple(definitions))


def _balanced_end(text: str) -> str:
    """Drop the closing brackets whose opening stood before the text."""
    kept: list[str] = []
    opened: list[str] = []
    for char in text:
        if char in "({":
            opened.append(char)
        elif char in ")}":
            if not opened:
                kept.append(" ")
                continue
            opened.pop()
        kept.append(char)
    return "".join(kept)


def _membership(clause: str) -> frozenset[str] | None:
    for pattern in _MEMBERSHIP:
        match = pattern.match(clause)
        if match:
            return frozenset(
                re.findall(r"[a-zA-Z](?:_\d)?", re.sub(r"\band\b", ",", match["names"]))
            )
    return None


def _domain(clause: str) -> str:
    """Name the set of numbers that a clause speaks of."""
    for pattern in _MEMBERSHIP:
        match = pattern.match(clause)
        if match:
            first, last = match.span("names")
            clause = match.groupdict().get("set") or clause[:first] + " " + clause[last:]
            break
    clause = re.sub(r"\\(?:mathbb|mathbf|mathrm|Bbb)|\\in", " ", clause)
    domain = next((name for name, pattern in _DOMAINS if pattern.search(clause)), "")
    return domain + next((part for part, pattern in _PARTS if pattern.search(clause)), "")


def same_domain(left: str, right: str) -> bool:
    """Say whether two sets of numbers are the same; books differ on zero in N."""
    names = [_SYNONYMS.get(name, name) for name in (left, right)]
    return names[0] == names[1] or ("N" in names and bool({"Z+", "Z0+"} & set(names)))


_SYNONYMS = {"": "R", "C": "R", "N+": "Z+", "N0+": "Z0+", "N*": "Z+", "+": "R+", "-": "R-"}


def _definition(clause: str) -> tuple[str, Node] | None:
    r"""Read ``\varphi = \frac{1+\sqrt5}{2}``: a name and its value."""
    if "=" not in clause or _RELATION.search(clause) or len(clause) > 100:
        return None
    try:
        node = parse(clause)
    except ParseError:
        return None
    if node.kind != "rel" or node.value != ("=",) or node.args[0].kind != "sym":
        return None
    name, value = str(node.args[0].value), node.args[1]
    return None if name in symbols(value) else (name, value)


def _relation(clause: str) -> Node | None:
    """Read ``n ≥ 1``, ``0 < a < 1`` or ``a ≠ b``: a condition on names."""
    if not _RELATION.search(clause) or len(clause) > 60:
        return None
    try:
        node = parse(clause)
    except ParseError:
        return None
    if node.kind != "rel" or not set(node.value) <= {"<", ">", "<=", ">=", "!="}:
        return None
    names = [arg for arg in node.args if arg.kind == "sym"]
    others = [arg for arg in node.args if arg.kind != "sym"]
    return node if names and not any(symbols(arg) for arg in others) else None


def _occurs(name: str, core: str) -> bool:
    """Say whether a formula contains a name on its right-hand side."""
    value = re.sub(r"\\[a-zA-Z]+", " ", core.rpartition("=")[2])
    return (
        re.search(rf"(?<![a-zA-Z]){re.escape(name)}|{re.escape(name)}(?![a-zA-Z])", value)
        is not None
    )
