"""What an answer must look like before a reasoning-gym scorer may see it.

Several scorers hand the answer to ``eval`` or to SymPy's ``parse_expr``, which evaluates Python
too. Nothing a model wrote is evaluated here, so for those generators an answer must first match a
grammar in which nothing can be called, looked up or reached but numbers, operators and named
mathematical functions. A test scans the installed sources for scorers that need a guard.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from functools import partial
from string import ascii_letters

Guard = Callable[[str], str | None]

_MAX_LENGTH = 2000
_MAX_EXPONENT = 99
_SUMS: tuple[type[ast.operator], ...] = (ast.Add, ast.Sub, ast.Mult, ast.Div)
_FUNCTIONS = frozenset(
    {
        "exp",
        "log",
        "ln",
        "sqrt",
        "Abs",
        "erf",
        "sin",
        "cos",
        "tan",
        "sec",
        "csc",
        "cot",
        "asin",
        "acos",
        "atan",
        "sinh",
        "cosh",
        "tanh",
        "asinh",
        "acosh",
        "atanh",
    }
)
#: Single letters stand for variables, except where SymPy has given them to a class or function.
_NAMES = (frozenset(ascii_letters) - frozenset("NOQS")) | {"pi"}


def literal(plain: str, answer: str) -> str | None:
    """Pass text of a plain alphabet as it is, and a Python literal written again."""
    if re.fullmatch(plain, answer):
        return answer
    if len(answer) > _MAX_LENGTH:
        return None
    try:
        return repr(ast.literal_eval(answer))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None


def arithmetic(answer: str) -> str | None:
    """Pass numbers joined by ``+ - * /`` and parentheses."""
    return answer if _parses(answer, r"[\d+\-*/(). ]+", _SUMS) else None


def formula(answer: str) -> str | None:
    """Pass a formula of numbers, single-letter variables and known functions."""
    return answer if _parses(answer, r"[A-Za-z\d+\-*/()., ]+", (*_SUMS, ast.Pow)) else None


def complex_number(answer: str) -> str | None:
    """Pass the characters of a complex number; not "nan", which its scorer takes for right."""
    return answer if re.fullmatch(r"[-+\d.eEijIJ() ]+", answer) else None


def _parses(answer: str, alphabet: str, operators: tuple[type[ast.operator], ...]) -> bool:
    text = answer.strip()
    if len(text) > _MAX_LENGTH or not re.fullmatch(alphabet, text):
        return False
    try:
        return _allowed(ast.parse(text, mode="eval").body, operators)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _allowed(node: ast.expr, operators: tuple[type[ast.operator], ...]) -> bool:
    match node:
        case ast.Constant(value=value):
            return type(value) in (int, float)
        case ast.UnaryOp(op=ast.UAdd() | ast.USub(), operand=operand):
            return _allowed(operand, operators)
        case ast.BinOp(left=left, op=operator, right=right):
            return (
                isinstance(operator, operators)
                and (not isinstance(operator, ast.Pow) or _is_tame(right))
                and _allowed(left, operators)
                and _allowed(right, operators)
            )
        case ast.Name(id=name):
            return ast.Pow in operators and name in _NAMES
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]):
            return ast.Pow in operators and name in _FUNCTIONS and _allowed(argument, operators)
    return False


def _is_tame(exponent: ast.expr) -> bool:
    """No power of a power, and no large number: ``9**9**9`` would only burn the deadline."""
    return not any(
        (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and not _has_name(node))
        or (isinstance(node, ast.Constant) and not abs(float(str(node.value))) <= _MAX_EXPONENT)
        for node in ast.walk(exponent)
    )


def _has_name(node: ast.expr) -> bool:
    return any(isinstance(part, ast.Name) for part in ast.walk(node))


GUARDS: dict[str, Guard] = {
    "binary_matrix": partial(literal, r"(?:\d+|inf)(?:\s+(?:\d+|inf))*"),
    "complex_arithmetic": complex_number,
    "countdown": arithmetic,
    "intermediate_integration": formula,
    "n_queens": partial(literal, r"[_Q](?:\s+[_Q])*"),
    "polynomial_multiplication": formula,
    "puzzle24": arithmetic,
    "simple_integration": formula,
    "spiral_matrix": partial(literal, r"-?\d+(?:\s+-?\d+)*"),
    "string_insertion": partial(literal, r"[A-E]+"),
}

#: Scorers that use such a function, but never on the answer.
EVALUATES_NO_ANSWER = {
    "bitwise_arithmetic": "evaluates its own problem; the answer goes through int()",
    "number_sorting": "evaluates its own gold; the answer goes through json.loads()",
    "propositional_logic": "parse_expr is its own recursive-descent parser",
}
