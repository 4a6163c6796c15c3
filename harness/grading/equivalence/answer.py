"""Parse an answer into a tree plus its conditions, units and labels.

Nothing that an answer says is dropped: a unit becomes a
``quantity`` node, a label a ``labelled`` node, and "k is an integer" a set of parameter names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from harness.grading.equivalence import identity
from harness.grading.equivalence.sets import is_set_like
from harness.grading.parsing.normalize import normalise, split_top_level
from harness.grading.parsing.notation import prepare
from harness.grading.parsing.numerals import number_word, scale, spelled_number
from harness.grading.parsing.parser import parse
from harness.grading.parsing.qualifiers import split_qualifiers
from harness.grading.parsing.tokenizer import FUNCTIONS
from harness.grading.parsing.tree import Node, ParseError, number, substitute, symbols
from harness.grading.parsing.units import Split, in_one_unit, split_unit
from harness.grading.parsing.wording import denies, phrase, without_remark


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it was read.

    Attributes:
        tree: What is compared.
        whole: Names said to be whole numbers ("for any integer k").
        domains: The sets of numbers that names are said to be from.
        conditions: What else is said of names ("for n ≥ 1").
    """

    tree: Node
    whole: frozenset[str] = field(default_factory=frozenset)
    domains: Mapping[str, str] = field(default_factory=dict)
    conditions: tuple[Node, ...] = ()


#: "10:30 a.m."
_HALF_DAY = re.compile(r"(?<=\d)(\s*(?:\\text\{\s*)?)([apAP])\.\s?[mM]\b\.?")
_LABEL_WORDS = re.compile(
    r"\A\s*(?:\\text\{)?\s*([A-Za-z]{3,}(?: [A-Za-z]+){0,3})\s*\}?\s*(?::|=)\s*\}?\s*(?=\S)"
)
#: Lines of a display, with marks of alignment.
_ALIGNED = re.compile(r"\\begin\{(aligned|align\*?|gathered|split)\}(.*)\\end\{\1\}\s*\Z", re.S)
#: A sign of equality, or the word "only", in front of all.
_LEADING = re.compile(
    r"\A\s*(?:=|\\approx(?![a-zA-Z])|≈|(?:\\text\{\s*)?(?:only|exactly)\b\s*\}?)\s*(?=\S)", re.I
)
#: "all real numbers except 2"
_EXCEPT = re.compile(
    r"\A\s*(?:\\text\{\s*)?(?:all |any |every )?real (?:numbers?|values?)(?: of)?(?: [a-z])?\s*"
    r"(?:except|other than|excluding|but)(?: for)?\b\s*\}?\s*(?:[a-z]\s*=\s*)?(?=[-\d\\])(.+)\Z",
    re.I,
)
#: Words and signs under which a value, a set or an equation is not what is claimed.
_NEGATED = re.compile(
    r"(?<![A-Za-z\\])(?:not|never|neither|nor|except|excluding|anything but|unless|without|wrong"
    r"|incorrect|false|isn't|aren't|cannot|can't|at least|at most|more than|less than|fewer than)"
    r"(?![A-Za-z])|\\(?:neg|lnot|not)(?![A-Za-z])",
    re.I,
)


def read(text: str, *, thousands: bool = True) -> Answer:
    """Read an answer.

    Args:
        text: The answer as written.
        thousands: Read ``1,234`` as one number.

    Raises:
        ParseError: It is not mathematics this grader knows.
    """
    text = re.sub(r"(?<=\d)\s*μ(?=[A-Za-zΩ])", " µ", normalise(text))  # micro, not the symbol
    text = _ALIGNED.sub(lambda m: m[2].replace("&", " "), text)
    text = _LEADING.sub("", _HALF_DAY.sub(r"\1\2m", text))
    text = _EXCEPT.sub(r"\\mathbb{R}\\setminus\\{\1\\}", text)
    named = phrase(text)
    if named is not None:
        domain = {"mul": "Z", "pow": "N"}.get(named.kind)
        index = frozenset("k") if domain else frozenset()
        return Answer(named, index, {"k": domain} if domain else {})
    text = in_one_unit(without_remark(text))
    if _NEGATED.search(text):
        raise ParseError("a text that denies or bounds something")
    said = split_qualifiers(text)
    counted = number_word(said.core)
    if counted is not None:
        return Answer(number(counted))
    tree = _without_excluded(label(_tree(spelled_number(said.core), thousands)))
    for name, value in said.definitions:
        tree = substitute(tree, name, value)
    return Answer(tree, said.whole, said.domains, said.relations)


def _without_excluded(node: Node) -> Node:
    r"""Drop the remark of ``1/x, x \ne 0``, which only names what is excluded anyway."""
    if node.kind == "list" and len(node.args) == 2:
        first, last = node.args
        excluded = last.kind == "rel" and last.value == ("!=",)
        excluded = excluded and set() < symbols(last) <= symbols(first)
        if excluded and first.kind not in ("rel", "words", "in") and not is_set_like(first):
            return first
    return node


def _tree(text: str, thousands: bool) -> Node:
    parts = split_top_level(prepare(text, thousands=thousands))
    if len(parts) > 40:
        return parse(text, thousands=thousands)
    split = [_split_part(part) for part in parts]
    if all(found == ("", Split(part)) for part, found in zip(parts, split, strict=True)):
        return parse(text, thousands=thousands)
    nodes = []
    for noun, found in split:
        node = _with_unit(found, thousands)
        nodes.append(Node("labelled", (label(node),), noun) if noun else node)
    if not nodes:
        raise ParseError("empty")
    return nodes[0] if len(nodes) == 1 else Node("list", tuple(nodes))


def _split_part(part: str) -> tuple[str, Split]:
    """Split a part into its label in words, and its core and unit."""
    noun = ""
    match = _LABEL_WORDS.match(part)
    if match and not match[1].startswith(tuple(FUNCTIONS)):
        noun, part = match[1], part[match.end() :]
        if denies(noun):
            raise ParseError("a label that says what the answer is not")
    return noun, split_unit(part)


def _with_unit(found: Split, thousands: bool) -> Node:
    """Hang a unit on a value, below a label if it has one (``v = 5 m/s``)."""
    node = parse(found.core, thousands=thousands)
    factor, unit = scale(found.unit)
    other = None
    if not found.certain:
        letters = " ".join(found.unit) if found.unit.isalpha() else found.unit
        try:
            other = parse(f"{found.core} {letters}", thousands=thousands)
        except ParseError:
            other = None
    if factor != 1 and _last_value(node).kind not in ("num", "neg"):
        raise ParseError("a number word behind no number")
    return _hang(node, other, factor, unit)


def _last_value(node: Node) -> Node:
    return node.args[-1] if node.kind == "rel" else node


def _hang(node: Node, other: Node | None, factor: int, unit: str) -> Node:
    if node.kind == "rel":
        other = other.args[-1] if other is not None and other.kind == "rel" else None
        value = _hang(node.args[-1], other, factor, unit)
        return Node("rel", (*node.args[:-1], value), node.value)
    if factor != 1:
        node = Node("mul", (number(Fraction(factor)), node))
    if not unit:
        return node
    return Node("quantity", (node,) if other is None else (node, other), unit)


def label(node: Node) -> Node:
    """Turn ``x = 5`` into a labelled value wherever the left-hand side is only a name."""
    if node.kind in ("list", "or", "and"):
        return Node(node.kind, tuple(label(arg) for arg in node.args), node.value)
    if node.kind == "ratio" and _is_name(node.args[0]) and node.args[0].kind == "words":
        return Node("labelled", (label(node.args[1]),), node.args[0].value)
    if node.kind != "rel" or any(op not in ("=", "~") for op in node.value):
        if node.kind == "rel" and len(node.value) > 1 and {"=", "!="} & set(node.value):
            raise ParseError("a chain that says several things")
        return node
    values = list(node.args)
    # What stands behind an approximation sign repeats the exact value before it.
    if "~" in node.value and node.value.index("~") > 0 or not _is_name(values[0]):
        cut = node.value.index("~") + 1 if "~" in node.value else len(values)
        values = values[:cut]
    if len(values) == 1:
        return values[0]
    names = next((i for i, value in enumerate(values) if not _is_name(value)), len(values))
    names = min(names, len(values) - 1)
    if names == 0:
        return _unnamed(values)
    if not _agree(values[names:]):
        raise ParseError("a chain that says several things")
    value = values[-1]
    if values[0] == value:
        raise ParseError("x = x says nothing")
    if names > 1 and all(name.kind == "sym" for name in values[:names]):  # a = b = 1
        return Node("labelled", (value,), Node("list", tuple(values[:names])))
    if values[0].kind == "sym" and values[0].value in symbols(value):
        return Node("rel", (values[0], value), ("=",))
    name = values[0]
    return Node("labelled", (value,), name.value if name.kind == "words" else name)


def _unnamed(values: list[Node]) -> Node:
    """Read a chain that does not begin with a name."""
    if len(values) == 2:
        left, right = values
        named = _is_name(right) and right.kind in ("sym", "apply", "mul")
        if named and (right.kind != "sym" or right.value not in symbols(left)):
            return Node("labelled", (left,), right)  # 5 = x
        return Node("rel", (left, right), ("=",))
    if _agree(values):
        return values[-1]
    if _agree(values[1:]):
        return Node("rel", (values[0], values[-1]), ("=",))
    raise ParseError("a chain that says several things")


def _agree(values: list[Node]) -> bool:
    """Say whether all values of a chain are the same: ``5 = 7`` says several things."""
    plain = [value.args[0] if value.kind == "quantity" else value for value in values]
    return all(a == b or identity.same_value(a, b) for a, b in zip(plain, plain[1:], strict=False))


def _is_name(node: Node) -> bool:
    match node.kind:
        case "sym" | "words":
            return True
        case "const":
            return bool(node.value == "i")
        case "apply":
            return True
        case "mul" if node.value == "call":  # P(x), u(x, t), P(X = 2)
            inner = node.args[1]
            if inner.kind == "tuple":
                return all(arg.kind in ("sym", "num") for arg in inner.args)
            return inner.kind in ("sym", "num") or (
                _capital(node.args[0]) and inner.kind in ("rel", "inter", "union")
            )
        case "div" if _is_derivative(node):
            return True
        case "mul" | "div":  # AB, AB/CD: segments and areas by their corners
            return all(_is_name(arg) and _capital(arg) for arg in node.args)
        case "fn":
            return node.value == "abs" and _capital(node.args[0])
        case "tuple" | "list":
            return all(_is_name(arg) for arg in node.args)
        case "ratio":
            return all(_is_name(arg) for arg in node.args)
    return False


def _is_derivative(node: Node) -> bool:
    """Recognise ``dy/dx``."""
    return all(
        arg.kind == "mul" and arg.args[0] == Node("sym", value="d") and arg.args[1].kind == "sym"
        for arg in node.args
    )


def _capital(node: Node) -> bool:
    return all(n.value[0].isupper() for n in node.walk() if n.kind == "sym")
