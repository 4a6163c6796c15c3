"""Units: what stands behind a number, and how one unit converts into another.

Factors are exact rationals in SI base units. Degrees and percent are not here: they belong to the
number itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from harness.grading.syntax import FUNCTIONS

_DIMENSIONS = "m kg s A K mol cd bit money"
_Powers = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as a factor times powers of the base units."""

    factor: Fraction
    powers: _Powers

    def times(self, other: Unit, power: int = 1) -> Unit:
        """Multiply by a power of another unit."""
        powers = tuple(a + power * b for a, b in zip(self.powers, other.powers, strict=True))
        return Unit(self.factor * other.factor**power, powers)


_ONE = Unit(Fraction(1), (0,) * len(_DIMENSIONS.split()))


def _base(name: str) -> Unit:
    return Unit(Fraction(1), tuple(int(name == base) for base in _DIMENSIONS.split()))


_PREFIXES = {
    "kilo": 3, "k": 3, "mega": 6, "M": 6, "giga": 9, "G": 9, "tera": 12, "T": 12, "hecto": 2,
    "deci": -1, "d": -1, "centi": -2, "c": -2, "milli": -3, "m": -3, "micro": -6, "u": -6,
    "µ": -6, "μ": -6, "nano": -9, "n": -9, "pico": -12, "p": -12,
}  # fmt: skip
# name(s), factor, definition in other units
_TABLE = """
m metre meter|1|m
g gram gramme|1/1000|kg
s sec second|1|s
A amp ampere|1|A
K kelvin|1|K
mol mole|1|mol
cd candela|1|cd
L l litre liter|1/1000|m^3
N newton|1|kg m s^-2
J joule|1|kg m^2 s^-2
W watt|1|kg m^2 s^-3
Wh|3600|kg m^2 s^-2
Pa pascal|1|kg m^-1 s^-2
Hz hertz|1|s^-1
C coulomb|1|A s
V volt|1|kg m^2 s^-3 A^-1
Ω ohm Ohm|1|kg m^2 s^-3 A^-2
F farad|1|A^2 s^4 kg^-1 m^-2
T tesla|1|kg s^-2 A^-1
H henry|1|kg m^2 s^-2 A^-2
eV|1602176634/10000000000000000000000000000|kg m^2 s^-2
bit b|1|bit
byte B|8|bit
tonne t|1000|kg
"""
_PLAIN_TABLE = """
min minute mins|60|s
h hr hour hrs|3600|s
day d|86400|s
week wk|604800|s
year yr|31557600|s
in inch inche|254/10000|m
ft foot feet|3048/10000|m
yd yard|9144/10000|m
mi mile|1609344/1000|m
cc|1/1000000|m^3
acre|40468564224/10000000|m^2
lb pound lbs|45359237/100000000|kg
oz ounce|28349523125/1000000000000|kg
amu u dalton|166053906892/100000000000000000000000000000000000000|kg
gallon gal|3785411784/1000000000000|m^3
mph|44704/100000|m s^-1
atm|101325|kg m^-1 s^-2
bar|100000|kg m^-1 s^-2
cal calorie|4184/1000|kg m^2 s^-2
kcal|4184|kg m^2 s^-2
dollar usd|1|money
cent|1/100|money
"""


@cache
def _units() -> dict[str, Unit]:
    known = {name: _base(name) for name in _DIMENSIONS.split()}
    for table, prefixed in ((_TABLE, True), (_PLAIN_TABLE, False)):
        for line in table.strip().splitlines():
            names, factor, definition = line.split("|")
            unit = Unit(Fraction(factor), _ONE.powers)
            for term in definition.split():
                base, _, power = term.partition("^")
                unit = unit.times(known.get(base) or _base(base), int(power or 1))
            for name in names.split():
                known[name] = unit
                if len(name) > 2:
                    known[name + "s"] = known[name + "es"] = unit
                if prefixed:
                    _add_prefixed(known, name, unit)
    return known


def _add_prefixed(known: dict[str, Unit], name: str, unit: Unit) -> None:
    for prefix, exponent in _PREFIXES.items():
        # Long prefixes go with long names, letters with symbols.
        if (len(prefix) > 2) == (len(name) > 3) or name in ("ohm", "bit", "Wh", "Pa", "eV"):
            scaled = Unit(unit.factor * Fraction(10) ** exponent, unit.powers)
            known.setdefault(prefix + name, scaled)
            if len(name) > 3:
                known.setdefault(prefix + name + "s", scaled)
    if name == "s":
        known["millihour"] = Unit(Fraction(36, 10), unit.powers)


_TERM = re.compile(r"([A-Za-zΩµμ]+)\s*(?:(?:\^|\*\*)\s*[({]?\s*(-?\d+)\s*[)}]?|([²³]))?")


@cache
def parse_unit(text: str) -> Unit | None:
    """Read a unit such as ``km/h``, ``m/s^2`` or ``square feet``, or say that it is none."""
    text = re.sub(r"\s+per\s+", "/", text.strip().rstrip("."))
    text = re.sub(r"\bsq(?:uare|\.)?\s+([a-zA-Z]+)", r"\1^2", text)
    text = re.sub(r"\bcubic\s+([a-zA-Z]+)", r"\1^3", text)
    unit, sign, position = _ONE, 1, 0
    found = False
    while position < len(text):
        if text[position] in " *·.()":
            position += 1
            continue
        if text[position] == "/":
            sign = -1
            position += 1
            continue
        match = _TERM.match(text, position)
        known = _units().get(match[1]) or _units().get(match[1].lower()) if match else None
        if match is None or known is None:
            return None
        power = {"²": 2, "³": 3}.get(match[3] or "", int(match[2] or 1))
        unit = unit.times(known, sign * power)
        position, found = match.end(), True
        # In "m/s s" only the first factor after the slash is below it.
        sign = 1
    return unit if found else None


_WRAPPED = re.compile(r"\\(?:text|mathrm|textbf|mbox|textrm|operatorname|rm)\s*\{([^{}]*)\}")
_UNIT_CHARACTERS = re.compile(r"[A-Za-zΩµμ°'’ ./^*()\-\d²³·{}]*\Z")
_PLAIN = re.compile(r"(.*?[\d})\]%!])\s*([A-Za-zΩµμ°][A-Za-zΩµμ°'./^*()\-\d\s²³·{}]*)\Z", re.S)
_ORDINAL = re.compile(r"(\d)\s*(?:\^\s*\{?\s*)?(?:\\(?:text|mathrm)\s*\{)?\s*(?:st|nd|rd|th)\}*\Z")
_DEGREES = frozenset(("degree", "degrees", "deg", "°", "degs"))
_NOT_UNITS = frozenset(("and", "or", "pi", "to", "if", "in", "i", "e", "is", *FUNCTIONS))


def split_unit(text: str) -> tuple[str, str]:
    """Separate the number from the unit or the counted noun behind it.

    Returns:
        The text without it, and the unit's text (empty where there is none). Degrees and percent
        become their signs.
    """
    text = _ORDINAL.sub(r"\1", text.strip())
    start = min((m.start() for m in _WRAPPED.finditer(text)), default=-1)
    if start > 0 and _UNIT_CHARACTERS.match(_WRAPPED.sub(r"\1", text[start:])):
        core, unit = text[:start], _WRAPPED.sub(r"\1", text[start:]).strip()
        if not re.search(r"[\d})\]%!a-z]\s*\Z", core) or unit.split(" ")[0] in ("and", "or"):
            return text, ""
        return _attach(core.strip(), unit.strip("{} "))
    match = _PLAIN.match(text)
    if match and _is_unit_text(match[2]):
        return _attach(match[1], match[2].strip())
    return text, ""


def _attach(core: str, unit: str) -> tuple[str, str]:
    lowered = unit.lower()
    if lowered in _DEGREES:
        return core + "^{\\circ}", ""
    if lowered in ("percent", "pct", "per cent", "%"):
        return core + "%", ""
    return core, unit


def _is_unit_text(text: str) -> bool:
    """Say whether plain letters behind a number are a unit or a noun, not a factor."""
    words = re.findall(r"[A-Za-zΩµμ°]+", text)
    if any(word.lower() in _NOT_UNITS for word in words):
        return text.strip() in ("in", "min", "sec")
    if text.strip().lower() in ("am", "pm"):
        return True
    if parse_unit(text) is not None:
        return any(len(word) > 1 for word in words) or "/" in text or text in "Ω°"
    if re.search(r"[\d^*/]", text):
        return False
    return all(len(word) >= 3 for word in words) or text.lower() in _DEGREES
