r"""What several benchmarks share in reading their reference answers."""

import re
from decimal import Decimal

from harness.types import Tolerance

# Sources cut long decimals off as often as they round them (3.1415926, and 6.2831852 made of it),
# so digits beyond the seventh do not decide.
CALCULATOR = 1e-7


def last_boxed(text: str) -> str:
    r"""Return what the last balanced ``\boxed{…}`` (or ``\boxed 5``) of a solution holds.

    Empty where there is none; a box that never closes is passed over.
    """
    for box in reversed(list(re.finditer(r"\\(?:boxed|fbox)(?![a-zA-Z])\s*", text))):
        rest = text[box.end() :]
        if not rest.startswith("{"):
            return re.split(r"[\s$.,]", rest, maxsplit=1)[0]
        depth = 0
        for token in re.finditer(r"\\.|[{}]", rest, re.DOTALL):
            depth += {"{": 1, "}": -1}.get(token.group(), 0)
            if depth == 0:
                return rest[1 : token.start()].strip()
    return ""


def whole_number(value: str | float) -> str:
    """Return a whole number's digits: of ``27.0``, ``"27"`` and ``"1,234"``.

    Raises:
        ValueError: It is none.
    """
    number = Decimal(str(value).strip().replace(",", ""))
    if number != int(number):
        raise ValueError(f"{value} is not a whole number")
    return str(int(number))


def decimal_tolerance(gold: str, stated: float) -> Tolerance:
    """Say how far an answer may be from a decimal gold, which is a rounded value.

    Half a unit in its last place where it has three significant digits or more; with fewer, that
    would be far too much (0.1 ± 0.05), and the relative tolerance that the task states counts.
    """
    _, digits, exponent = Decimal(gold).as_tuple()
    if len(digits) >= 3 and isinstance(exponent, int):
        return Tolerance(absolute=float(Decimal((0, (5,), exponent - 1))), relative=CALCULATOR)
    return Tolerance(relative=stated)
