"""Units: what stands behind a number, and how one unit converts into another.

Factors are exact rationals in SI base units. Degrees and percent are not here: they belong to the
number itself.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache

from harness.grading.parsing.tokenizer import FUNCTIONS, GREEK_LETTERS
from harness.grading.parsing.tree import words
from harness.grading.parsing.wording import is_counted_noun, says_nothing_else, unwrapped

_DIMENSIONS = "m kg s A K mol cd bit money VA Bq Sv rad rev dB unit"
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
    "kilo": 3, "k": 3, "mega": 6, "M": 6, "giga": 9, "G": 9, "tera": 12, "T": 12, "peta": 15,
    "P": 15, "hecto": 2, "h": 2, "deci": -1, "d": -1, "centi": -2, "c": -2, "milli": -3, "m": -3,
    "micro": -6, "u": -6, "µ": -6, "nano": -9, "n": -9, "pico": -12, "p": -12, "femto": -15,
    "f": -15,
}  # fmt: skip
# symbols|names|factor|definition; symbols take the short prefixes, names the long ones and an "s".
_TABLE = """
m|metre meter|1|m
g|gram gramme|1/1000|kg
s sec|second|1|s
A amp|ampere|1|A
K|kelvin|1|K
mol|mole|1|mol
cd|candela|1|cd
L l|litre liter|1/1000|m^3
N|newton|1|kg m s^-2
J|joule|1|N m
W|watt|1|J s^-1
Wh||3600|J
VA||1|VA
Pa|pascal|1|N m^-2
Hz|hertz|1|s^-1
C|coulomb|1|A s
Ah||3600|A s
V|volt|1|W A^-1
Ω ohm Ohm|ohm|1|V A^-1
S|siemens|1|A V^-1
F|farad|1|C V^-1
T|tesla|1|V s m^-2
H|henry|1|V s A^-1
Wb|weber|1|V s
eV|electronvolt|1602176634/10000000000000000000000000000|J
bit b|bit|1|bit
B|byte|8|bit
bps||1|bit s^-1
t|tonne|1000|kg
M|molar|1000|mol m^-3
Bq|becquerel|1|Bq
Ci|curie|37000000000|Bq
Gy|gray|1|J kg^-1
Sv|sievert|1|Sv
lm|lumen|1|cd
lx|lux|1|lm m^-2
bar||100000|Pa
cal|calorie|4184/1000|J
rad|radian|1|rad
pc|parsec|30856775814913673|m
ly|lightyear light-year|9460730472580800|m
"""
_PLAIN_TABLE = """
min mins|minute|60|s
h hr hrs|hour|3600|s
d|day|86400|s
wk|week|604800|s
|fortnight|1209600|s
yr yrs|year|31557600|s
|month|2629800|s
|decade|315576000|s
in|inch|254/10000|m
inches||254/10000|m
ft feet|foot|3048/10000|m
yd|yard|9144/10000|m
mi|mile|1609344/1000|m
nmi||1852|m
|furlong|201168/1000|m
Å|angstrom|1/10000000000|m
AU au||149597870700|m
cc|ccm|1/1000000|m^3
ha|hectare|10000|m^2
|acre|40468564224/10000000|m^2
lb lbs|pound|45359237/100000000|kg
oz|ounce|28349523125/1000000000000|kg
|stone|635029318/100000000|kg
amu u Da|dalton|166053906892/100000000000000000000000000000000000000|kg
gal|gallon|3785411784/1000000000000|m^3
qt|quart|946352946/1000000000000|m^3
pt|pint|473176473/1000000000000|m^3
mph||44704/100000|m s^-1
kph kmph kmh||5/18|m s^-1
kn|knot|1852/3600|m s^-1
atm|atmosphere|101325|Pa
torr Torr mmHg||101325/760|Pa
lbf||44482216152605/10000000000000|N
psi||44482216152605/6451600000|Pa
dyn|dyne|1/100000|N
erg||1/10000000|J
BTU Btu||105505585262/100000000|J
Cal||4184|J
hp|horsepower|74569987158227022/100000000000000|W
|gauss|1/10000|T
Nm||1|N m
rev|revolution|1|rev
rpm||1/60|rev s^-1
ppm||1/1000000|
ppb||1/1000000000|
dB|decibel|1|dB
|unit|1|unit
usd USD|dollar|1|money
¢|cent|1/100|money
"""


@cache
def _units() -> dict[str, Unit]:
    known = {name: _base(name) for name in _DIMENSIONS.split()}
    for table, prefixed in ((_TABLE, True), (_PLAIN_TABLE, False)):
        for line in table.strip().splitlines():
            symbols, names, factor, definition = line.split("|")
            unit = Unit(Fraction(factor), _ONE.powers)
            for term in definition.split():
                base, _, power = term.partition("^")
                unit = unit.times(known[base], int(power or 1))
            for name in symbols.split():
                known[name] = unit
            for name in names.split():
                known[name] = known[name + "s"] = unit
            if prefixed:
                _add_prefixed(known, symbols.split(), names.split(), unit)
    return known


def _add_prefixed(known: dict[str, Unit], symbols: list[str], names: list[str], unit: Unit) -> None:
    for prefix, exponent in _PREFIXES.items():
        scaled = Unit(unit.factor * Fraction(10) ** exponent, unit.powers)
        for name in names if len(prefix) > 2 else symbols:
            known.setdefault(prefix + name, scaled)
            if len(prefix) > 2:
                known.setdefault(prefix + name + "s", scaled)
    if "s" in symbols:
        known["millihour"] = Unit(Fraction(36, 10), unit.powers)


_MARKUP = (
    (re.compile(r"\\(?:cdot|times|ast)(?![a-zA-Z])\s*|[·⋅×*]"), " * "),
    (re.compile(r"\\frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}"), r"(\1)/(\2)"),
    (re.compile(r"\\(?:mu|micro)(?![a-zA-Z])\s*|μ\s*"), "µ"),
    (re.compile(r"\\(?:Omega|ohm)(?![a-zA-Z])|Ω"), "Ω"),
    (re.compile(r"\\(?:AA|angstrom)(?![a-zA-Z])|Å"), "Å"),
    (re.compile(r"\^?\s*\{?\s*(?:\\(?:circ|degree)(?![a-zA-Z])|°)\s*\}?"), "°"),
    (re.compile(r"\\[,;:! ]|\\(?![a-zA-Z])"), " "),
    (re.compile(r"\bdeg(?:ree)?s?\s+(?=celsius|fahrenheit|[CF]\b)", re.I), "°"),
    (re.compile(r"°\s*(?:celsius|C\b)|\b(?:degrees )?celsius\b", re.I), "°C"),
    (re.compile(r"°\s*(?:fahrenheit|F\b)|\b(?:degrees )?fahrenheit\b", re.I), "°F"),
    (re.compile(r"\bmm\s+Hg\b"), "mmHg"),
    (re.compile(r"\belectron[ -]volt(?=s?\b)"), "electronvolt"),
    (re.compile(r"(?<![A-Za-z])([kMG])\s+(?=Ω)"), r"\1"),
    (re.compile(r"\bsq(?:uare|\.)?\s+([a-zA-Z]+)"), r"\1^2"),
    (re.compile(r"\bcubic\s+([a-zA-Z]+)"), r"\1^3"),
    (re.compile(r"\b([a-zA-Z]+)\s+squared\b"), r"\1^2"),
    (re.compile(r"\b([a-zA-Z]+)\s+cubed\b"), r"\1^3"),
    (re.compile(r"\s+per\s+"), "/"),
)
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")


def plain_unit(text: str) -> str:
    """Write a unit without LaTeX: ``kg * m/s^2``, ``µm``, ``°C``."""
    text = unwrapped(text).replace("**", "^")
    text = re.sub(r"\^\s*\{\s*(-?\d+)\s*\}", r"^\1", text)
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    text = re.sub(r"(?<=[A-Za-zΩµÅ])[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda m: "^" + m[0], text)
    return re.sub(r"\s+", " ", text.translate(_SUPERSCRIPTS)).strip(" {}.")


_FACTOR = re.compile(
    r"([A-Za-zΩµÅ¢]+(?:-[a-z]+)?)"
    r"(?:\s*\^\s*(?:\(\s*(-?\d)\s*\)|\{\s*(-?\d)\s*\}|(-?\d))|(-?[1-4])(?![\d.]))?"
)


@lru_cache(4096)
def parse_unit(text: str) -> Unit | None:
    """Read a unit such as ``km/h``, ``J/(mol K)`` or ``square feet``, or say that it is none."""
    text = plain_unit(text)
    if not text or len(text) > 80:
        return None
    found = _factors(text, 0, closing=False)
    return None if found is None or found[1] != len(text) else found[0]


def _factors(text: str, position: int, *, closing: bool) -> tuple[Unit, int] | None:
    """Read factors up to a closing bracket or the end.

    What stands behind a slash without a bracket is all below it, as physicists write "J/mol K";
    where a sign of multiplication makes that doubtful, nothing is read.
    """
    unit, sign, count, below = _ONE, 1, 0, 0
    pending = True  # a factor has to follow
    while position < len(text):
        char = text[position]
        if char == " ":
            position += 1
            continue
        if char == ")":
            return (unit, position + 1) if closing and not pending else None
        if char in "*/.-" and not pending:
            if char == "/":
                sign, below = -1, 0
            elif below and char == "*":
                return None
            position, pending = position + 1, True
            continue
        if char == "(":
            inner = _factors(text, position + 1, closing=True)
            if inner is None:
                return None
            factor, position, power = inner[0], inner[1], 1
        else:
            match = _FACTOR.match(text, position)
            named = _named(match[1]) if match else None
            if match is None or named is None:
                return None
            factor, position = named, match.end()
            power = int(next((g for g in match.groups()[1:] if g), "1"))
        unit = unit.times(factor, sign * power)
        count, pending = count + 1, False
        below += sign < 0
    return None if closing or pending or not count else (unit, position)


def _named(name: str) -> Unit | None:
    """Look a name up; case matters in symbols, but not in words."""
    known = _units()
    found = known.get(name)
    if found is None and len(name) > 2:
        found = known.get(name.lower())
    if found is None and name[0] == "K" and len(name) < 4:
        found = known.get(name.lower()) or known.get("k" + name[1:])
    return found


_TEXT_COMMAND = r"\\(?:text|textnormal|mathrm|textbf|mbox|textrm|operatorname|rm)\s*\{"
_START = re.compile(
    rf"(?:\\frac\s*\{{\s*)?(?:\^?\s*\{{?\s*\\circ\s*\}}?\s*)?(?:\\(?:mu|micro)\s*)?{_TEXT_COMMAND}"
    r"|\^?\s*\{?\s*\\(?:circ|degree)\s*\}?\s*[CF]\Z|\\AA\s*\Z|\\micro\s*[a-zA-Z]"
    r"|(?:(?<=[\d\s}])[kMG]\s*)?\\(?:Omega|ohm)\s*\Z"
)
_UNIT_CHARACTERS = re.compile(r"[A-Za-zΩµÅ¢°'\u2019 ,./^*()\-\d{}]*\Z")
_NUMBER_END = re.compile(r"(?:[\d})\]%!]|\\pi|\bpi)(\s*)(?=[A-Za-zΩµÅ¢°])(?!\\?pi\b)")
_PLAIN_CHARACTERS = re.compile(r"[A-Za-zΩµÅ¢°'\u2019./^*()\-\d\s{}]*\Z")
_ORDINAL = re.compile(
    r"(\d)(?:(?:\s*\^)?\s*\{?\s*\\(?:text|mathrm)\s*\{\s*|\s*\^\s*\{?\s*)?(?:st|nd|rd|th)\s*\}*"
    r"(\s*\Z|\s+[a-z]+\Z|\s*\\text\s*\{\s*[a-z]+\s*\}\Z)"
)
_DEGREES = frozenset(("degree", "degrees", "deg", "°", "degs"))
_PERCENT = frozenset(("percent", "percentage", "pct", "per cent", "%"))
_NOT_UNITS = frozenset(("and", "or", "pi", "if", "i", "e", *FUNCTIONS, *GREEK_LETTERS))
#: Decimals are measured, and what stands apart behind them is their unit: "13.6 eV", "0.1 M". A
#: single small letter may be a name all the same ("0.5 m") but for "5.0e-7 m".
_MEASURED = re.compile(r"(?<![\w.)}])\d*\.\d+(?:e[-+]?\d+)?\Z")
#: Two letters that are a unit even where the text does not mark them as one; "mg" may be a weight.
_CERTAIN = frozenset(
    words("cm mm km kg ml mL ft hr lb oz yd mi in Hz kW kJ kN kV GB MB KB TB cc dm °C °F wk yr qt")
)


@dataclass(frozen=True, slots=True)
class Split:
    """A number and what stands behind it.

    Attributes:
        core: The text of the number.
        unit: The text of its unit, or of what it counts; empty where there is none.
        certain: Whether the unit cannot be a product of symbols.
    """

    core: str
    unit: str = ""
    certain: bool = True


def split_unit(text: str) -> Split:
    """Separate the number from the unit or the words behind it.

    Degrees and percent become their signs.
    """
    text = text.strip()
    ordinal = _ORDINAL.search(text)
    if ordinal and says_nothing_else(unwrapped(ordinal[2])):
        text = text[: ordinal.end(1)]
    start = next((m.start() for m in _START.finditer(text) if m.start() > 0), -1)
    if start > 0:
        core, unit = text[:start].rstrip(), plain_unit(text[start:])
        if unit in ("i", "e", "j"):  # upright constants
            return Split(text)
        if _UNIT_CHARACTERS.match(unit):
            if not re.search(r"[\d})\]%!a-zA-Z]\Z", core) or unit.split(" ")[0] in ("and", "or"):
                return Split(text)
            return _attached(core, unit, certain=True)
    for end in itertools.islice(_NUMBER_END.finditer(text), 8):
        if _PLAIN_CHARACTERS.match(text, end.end()):
            found = _plain_split(text[: end.start(1)], text[end.end() :], spaced=bool(end[1]))
            if found is not None:
                return found
    return Split(text)


def _plain_split(core: str, text: str, *, spaced: bool) -> Split | None:
    """Read plain letters behind a number as a unit or a noun, unless they are factors."""
    unit = plain_unit(text)
    names = re.findall(r"[A-Za-zΩµÅ¢°]+", unit)
    if parse_unit(unit) is not None or unit in ("°C", "°F"):
        if spaced and _MEASURED.search(core) and (not unit.islower() or "e" in core):
            return _attached(core, unit, certain=True)
        if all(len(name) == 1 for name in names) and "/" not in unit and unit not in "ΩÅ¢":
            return None
        certain = any(len(n) > 2 or n in _CERTAIN or n in "ΩÅ¢" for n in names) or (
            spaced and unit in ("m/s", "m/s^2", "m/s/s")
        )
        return _attached(core, unit, certain=certain)
    if unit.lower() in ("am", "pm", *_DEGREES, *_PERCENT):
        return _attached(core, unit, certain=True)
    unit = text.strip()
    names = re.findall(r"[A-Za-z]+", unit)
    if any(name.lower() in _NOT_UNITS for name in names) or re.search(r"[\d^*/{(]", unit):
        return None
    # Three letters may be a product as well ("7 xyz").
    if any(len(name) > 3 for name in names) or (spaced and is_counted_noun(unit)):
        return _attached(core, unit, certain=True)
    return None


_TWO_UNITS = re.compile(
    r"\s*(\d+(?:\.\d+)?)\s*(?P<large>[A-Za-z]+),?\s+(?:and\s+)?(\d+(?:\.\d+)?)\s*(?P<small>[A-Za-z]+)\s*"
)


def in_one_unit(text: str) -> str:
    """Write "5 ft 3 in" in its smaller unit."""
    match = _TWO_UNITS.fullmatch(unwrapped(text)) if len(text) < 100 else None
    large, small = (parse_unit(match[k]) if match else None for k in ("large", "small"))
    if match is None or large is None or small is None or large.powers != small.powers:
        return text
    ratio = large.factor / small.factor
    if ratio <= 1 or Fraction(match[3]) >= ratio:
        return text
    value = Fraction(match[1]) * ratio + Fraction(match[3])
    return rf"\frac{{{value.numerator}}}{{{value.denominator}}} \text{{ {match['small']}}}"


def _attached(core: str, unit: str, *, certain: bool) -> Split:
    lowered = unit.lower()
    if lowered in _DEGREES:
        return Split(core + "^{\\circ}")
    if lowered in _PERCENT:
        return Split(core + "%")
    return Split(core, unit, certain)
