"""From an answer's text to the tree that is compared: conditions, units and labels are told apart.

What an answer carries beside its mathematics is kept, not thrown away: a unit becomes a
``quantity`` node, a label a ``labelled`` node, and "k is an integer" a set of parameter names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from harness.grading.parse import normalise, split_top_level
from harness.grading.parser import parse
from harness.grading.sets import is_set_like
from harness.grading.syntax import FUNCTIONS, Node, Unreadable, number, prepare, words
from harness.grading.units import split_unit


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it was read.

    Attributes:
        tree: What is compared.
        parameters: Names said to be arbitrary ("for any integer k").
    """

    tree: Node
    parameters: frozenset[str] = field(default_factory=frozenset)


_OPEN = r"[\s,;:.]*[({]?\s*(?:\\(?:text|mathrm|textrm|mbox)\s*\{)?[\s,(]*"
_LEAD = (
    r"(?:(?:for|where|with|and|all|some|any|every|each|an?|arbitrary|positive|negative"
    r"|non-?negative|real)\s+)*"
)
_NAMES = r"(?<![A-Za-z\\])(?P<names>[a-zA-Z](?:\s*,\s*[a-zA-Z])*)"
_KIND = r"(?:integers?|numbers?|constants?|naturals?|reals?)"
_CONDITIONS = tuple(
    re.compile(r"(?P<core>.*?[^\s,;:.({])" + _OPEN + _LEAD + condition + r"\s*[)}.]*\s*\Z", re.S)
    for condition in (
        _NAMES
        + r"\s*(?:\\in|∈)\s*(?:\\(?:mathbb|mathbf|mathrm|Bbb)\s*\{?\s*[ZNQR]\s*\}?|[ZNQRℤℕℝ])"
        r"(?:[_^+*\s]|\{?[+*]\}?)*",
        _KIND + r"\s*\}?\s*" + _NAMES,
        _NAMES
        + r"\s*\}?\s*(?:\\text\s*\{)?\s*(?:is|are)?\s*(?:an?\s+|arbitrary\s+|any\s+)*"
        + _KIND,
    )
)
#: "10:30 a.m."
_HALF_DAY = re.compile(r"(?<=\d)(\s*(?:\\text\{\s*)?)([apAP])\.\s?[mM]\b\.?")
_LABEL_WORDS = re.compile(
    r"\A\s*(?:\\text\{)?([A-Za-z]{3,}(?: [A-Za-z]+)*)\s*(?::|=)\s*\}?\s*(?=\S)"
)


def split_condition(text: str) -> tuple[str, frozenset[str]]:
    r"""Take a closing "for all integers k" or ", k \in \mathbb{Z}" off a text."""
    if not re.search(r"\\in|∈|integer|constant|number|natural|real", text[-80:]):
        return text, frozenset()
    if len(text) > 1000:
        return text, frozenset()
    for condition in _CONDITIONS:
        match = condition.match(text)
        if match is None:
            continue
        core = match["core"].rstrip(" ,;:(")
        # "{x | x \\in R}" and the like are sets, not conditions behind an answer.
        if not core.endswith(("\\in", "{", "|", "\\mid")) and core.count("{") == core.count("}"):
            return core, frozenset(re.findall(r"[a-zA-Z]", match["names"]))
    return text, frozenset()


def read(text: str, *, thousands: bool = True) -> Answer:
    """Read an answer.

    Args:
        text: The answer as written.
        thousands: Read ``1,234`` as one number.

    Raises:
        Unreadable: It is not mathematics this grader knows.
    """
    core, parameters = split_condition(_HALF_DAY.sub(r"\1\2m", normalise(text)))
    counted = number_word(core)
    if counted is not None:
        return Answer(number(counted), parameters)
    return Answer(_without_remark(label(_tree(core, thousands))), parameters)


def _without_remark(node: Node) -> Node:
    r"""Drop the remark of ``1/x, x \ne 0``, which only names what is excluded anyway."""
    if node.kind == "list" and len(node.args) == 2:
        first, last = node.args
        excluded = last.kind == "rel" and last.value == ("!=",)
        if excluded and first.kind not in ("rel", "words", "in") and not is_set_like(first):
            return first
    return node


_ONES = words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
_TENS = words("twenty thirty forty fifty sixty seventy eighty ninety")


def number_word(text: str) -> int | None:
    """Read a number below a hundred in words."""
    bare = re.sub(r"\\(?:text|mathrm|textbf|mbox)\b|[{}.]", " ", text[:60]).strip().lower()
    if bare in _ONES:
        return _ONES.index(bare)
    tens, _, ones = bare.replace(" ", "-").partition("-")
    if tens not in _TENS or (ones and ones not in _ONES[1:10]):
        return None
    return 20 + 10 * _TENS.index(tens) + (_ONES.index(ones) if ones else 0)


def _tree(text: str, thousands: bool) -> Node:
    parts = split_top_level(prepare(text, thousands=thousands))
    if len(parts) > 40:
        return parse(text, thousands=thousands)
    split = [_split_part(part) for part in parts]
    if not any(
        unit or noun or core != part for part, (noun, core, unit) in zip(parts, split, strict=True)
    ):
        return parse(text, thousands=thousands)
    nodes = []
    for noun, core, unit in split:
        node = parse(core, thousands=thousands)
        if unit:
            node = _with_unit(node, unit)
        nodes.append(Node("labelled", (node,), noun) if noun else node)
    if not nodes:
        raise Unreadable("empty")
    return nodes[0] if len(nodes) == 1 else Node("list", tuple(nodes))


def _split_part(part: str) -> tuple[str, str, str]:
    """Split a part into its label in words, its core and its unit."""
    noun = ""
    match = _LABEL_WORDS.match(part)
    if match and not match[1].startswith(tuple(FUNCTIONS)):
        noun, part = match[1], part[match.end() :]
    core, unit = split_unit(part)
    return noun, core, unit


def _with_unit(node: Node, unit: str) -> Node:
    """Hang a unit on a value, below a label if it has one (``v = 5 m/s``)."""
    if node.kind == "rel":
        return Node("rel", (*node.args[:-1], _with_unit(node.args[-1], unit)), node.value)
    return Node("quantity", (node,), unit)


def label(node: Node) -> Node:
    """Turn ``x = 5`` into a labelled value wherever the left-hand side is only a name."""
    if node.kind in ("list", "or", "and"):
        return Node(node.kind, tuple(label(arg) for arg in node.args), node.value)
    if node.kind == "ratio" and _is_name(node.args[0]) and node.args[0].kind == "words":
        return Node("labelled", (label(node.args[1]),), node.args[0].value)
    if node.kind != "rel" or any(op not in ("=", "~") for op in node.value):
        return node
    values = list(node.args)
    # What stands behind an approximation sign repeats the exact value before it.
    if "~" in node.value and node.value.index("~") > 0 or not _is_name(values[0]):
        cut = node.value.index("~") + 1 if "~" in node.value else len(values)
        values = values[:cut]
    if len(values) == 1:
        return values[0]
    if _is_name(values[0]):
        return Node("labelled", (values[-1],), values[0])
    if len(values) > 2:
        return values[-1]
    return Node("rel", tuple(values), ("=",))


def _is_name(node: Node) -> bool:
    match node.kind:
        case "sym" | "words":
            return True
        case "const":
            return bool(node.value == "i")
        case "apply":
            return True
        case "mul" if node.value == "call":  # P(x)
            return node.args[1].kind in ("sym", "num")
        case "mul" | "div":  # AB, AB/CD: segments and areas by their corners
            return all(_is_name(arg) and _capital(arg) for arg in node.args)
        case "fn":
            return node.value == "abs" and _capital(node.args[0])
        case "tuple" | "list":
            return all(_is_name(arg) for arg in node.args)
        case "ratio":
            return all(_is_name(arg) for arg in node.args)
    return False


def _capital(node: Node) -> bool:
    return all(n.value[0].isupper() for n in node.walk() if n.kind == "sym")
