"""Functions rewritten in terms of others: ``cis``, ``nPr``, ``arccoth`` and the like."""

from __future__ import annotations

from fractions import Fraction

from harness.grading.parsing.tree import Node, ParseError, number, words

#: Functions whose power -1 is the inverse function.
DIRECT = frozenset(words("sin cos tan cot sec csc sinh cosh tanh coth sech csch"))
_INVERSES = {"arccoth": "arctanh", "arcsech": "arccosh", "arccsch": "arcsinh"}
_COUNTS = {"binom": 2, "perm": 2, "Rational": 2, "root": 2, "mod": 2}


def called(name: str, args: tuple[Node, ...]) -> Node:
    """Make the node of a function.

    Raises:
        ParseError: The function does not take so many arguments.
    """
    counts = (1, 2) if name == "log" else (_COUNTS.get(name, 1),)
    if len(args) not in counts and name not in ("max", "min", "gcd", "lcm"):
        raise ParseError(f"arguments of {name}")
    first = args[0]
    if name in _INVERSES:
        return Node("fn", (Node("div", (number(1), first)),), _INVERSES[name])
    match name:
        case "cbrt":
            return Node("fn", (first, number(3)), "root")
        case "perm":
            chosen = Node("fn", args, "binom")
            return Node("mul", (chosen, Node("fn", (args[1],), "factorial")))
        case "Rational":
            return Node("div", args)
        case "cis":
            angle = Node("mul", (Node("const", value="i"), first))
            return Node("pow", (Node("const", value="e"), angle))
        case "round":
            return Node("fn", (Node("add", (first, number(Fraction(1, 2)))),), "floor")
        case "Re" | "Im" | "arg" if any(n.kind in ("sym", "apply") for n in first.walk()):
            # Variables are real numbers elsewhere; here they would not be.
            return Node("apply", args, name)
    return Node("fn", args, name)
