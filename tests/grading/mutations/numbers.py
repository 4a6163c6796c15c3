"""Other numbers than the reference, and other units."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from fractions import Fraction

from tests.grading.mutations.kinds import Made, Proof
from tests.grading.references import Anatomy, Gold, number


def _far(gold: Gold, body: Anatomy, text: str) -> bool:
    """Say whether a plain number is another one, outside every tolerance the reference has."""
    value = number(text)
    return value is not None and outside(gold, body, value)


def outside(gold: Gold, body: Anatomy, value: Fraction) -> bool:
    expected = body.value
    assert expected is not None
    error = abs(value - expected)
    allowed = Fraction(0)
    if gold.tolerance is not None:
        allowed = Fraction(gold.tolerance.absolute)
        allowed += Fraction(gold.tolerance.relative) * abs(expected)
    # Rule "rounded": a reference with three significant decimals may stand for a longer one.
    places = re.search(r"\.(\d+)(?:[eE]([-+]?\d+)|\D*10\s*\^\s*\{?(-?\d+))?", body.parts[0])
    if places:
        unit = Fraction(10) ** (int(places[2] or places[3] or 0) - len(places[1]))
        allowed = max(allowed, unit / 2)
    # Rule "calculator": a reference to 13 digits or more is good to 1e-12.
    allowed = max(allowed, abs(expected) / 10**12)
    if error <= allowed:
        return False
    if "%" in body.unit or "percent" in body.unit:
        # Rule "percent": 50 % is 1/2, and 50 where the question asked for percent.
        return value not in (expected / 100, expected * 100)
    return True


def numbers(gold: Gold, body: Anatomy, chance: random.Random) -> Iterator[Made]:
    text = re.sub(r"\{,\}|,?\\[!,] ?|,", "", body.parts[0])
    value = body.value
    assert value is not None

    def case(kind: str, changed: str) -> tuple[str, str, Proof]:
        return kind, body.text(changed), lambda: _far(gold, body, changed)

    digits = [place for place, mark in enumerate(text) if mark.isdigit()]
    for place in digits[:6]:
        other = chance.choice([d for d in "123456789" if d != text[place]])
        yield case("digit changed", text[:place] + other + text[place + 1 :])
        yield case("digit dropped", text[:place] + text[place + 1 :])
        yield case("digit doubled", text[: place + 1] + text[place:])
    for first, second in zip(digits, digits[1:], strict=False):
        if second == first + 1:
            swapped = text[:first] + text[second] + text[first] + text[second + 1 :]
            yield case("digits swapped", swapped)
    if "." in text:
        yield case("decimal point dropped", text.replace(".", ""))
        whole, rest = text.split(".")
        yield case("decimal point moved", whole + rest[:1] + "." + (rest[1:] or "0"))
        if len(whole.lstrip("-")) > 1:
            yield case("decimal point moved", whole[:-1] + "." + whole[-1] + rest)
        else:
            yield case("decimal point moved", "0.0" + whole.lstrip("-") + rest)
        yield case("decimal point dropped", text.replace(".", " "))
    elif text.lstrip("-").isdigit():
        for place in range(1, len(text)):
            if text[place - 1].isdigit():
                yield case("decimal point added", text[:place] + "." + text[place:])
        yield case("decimal point added", text + ".5")
        yield case("decimal point added", text + ".04")
        yield case("decimal point added", "." + text.lstrip("-"))
        yield case("times ten", text + "0")
        yield case("times ten", text + "000")
        if value:
            yield case("tenth", text + "/10")
            yield "exponent", body.text(text + "e3"), None
            yield "exponent", body.text(text + r" \times 10^{2}"), None
            yield "exponent", body.text(text + r" \times 10^{-3}"), None
    yield case("sign changed", text[1:].strip() if text.startswith("-") else "-" + text)
    if value.denominator > 1 and ("frac" in text or "/" in text):
        top, bottom = abs(value.numerator), value.denominator
        sign = "-" if value < 0 else ""
        for changed in (
            (bottom, top), (top + 1, bottom), (top, bottom + 1), (top + bottom, bottom),
            (top * 10, bottom), (top, bottom * 10), (top - 1, bottom),
        ):  # fmt: skip
            if changed[1]:
                kind = "fraction inverted" if changed == (bottom, top) else "fraction changed"
                yield case(kind, f"{sign}\\frac{{{changed[0]}}}{{{changed[1]}}}")
                yield case(kind, f"{sign}{changed[0]}/{changed[1]}")
        yield case("slash dropped", f"{sign}{top}{bottom}")
        yield case("half a fraction", f"{sign}{top}")
        yield case("half a fraction", f"{sign}{bottom}")
        yield case("fraction as decimal", f"{sign}{top}.{bottom}")
        yield case("fraction changed", f"{float(value + Fraction(1, 50)):.3f}")
    for kind, changed_value in (
        ("add one", value + 1), ("subtract one", value - 1), ("times two", value * 2),
        ("times ten", value * 10), ("tenth", value / 10), ("half", value / 2),
        ("squared", value**2), ("times hundredth more", value * Fraction(101, 100)),
    ):  # fmt: skip
        yield from _written(gold, body, kind, changed_value)
    exact = gold.tolerance is None and "." not in text
    if exact:
        # Near misses: no calculator wrote them, so none is a rounding of the reference.
        for power in (7, 9, 20):
            yield "near miss", body.text(f"{text} + 10^{{-{power}}}"), None
            yield "near miss", body.text(f"{text} - \\frac{{1}}{{{10**power}}}"), None
        if value > 1:
            yield "near miss", body.text(f"\\sqrt{{{plain(value**2 + 1)}}}"), None
            yield "near miss", body.text(f"{text} + \\frac{{1}}{{{7**5}}}"), None
    if value not in (0, 1):
        for shape in (r"\sqrt{%s}", r"\left(%s\right)^2", r"\frac{1}{%s}", r"%s \cdot \pi", "%s x"):
            changed = shape % text
            if value == -1 and "frac" in shape:
                continue
            if "x" not in changed and gold.tolerance is None and value > 0 or "x" in changed:
                yield "wrapped", body.text(changed), None
    if value.denominator == 1 and 3 <= value <= 10**6 and not body.unit:
        yield "wrapped", text + "!", None
        if text.isdigit() and len(text) > 1:
            base = max(int(digit) for digit in text) + 1
            if base < 10:
                yield "base added", f"{text}_{{{base}}}", None
                yield "base added", f"{text}_{base}", None
    if body.unit:
        yield from units(gold, body)


def plain(value: Fraction) -> str:
    top, bottom = value.numerator, value.denominator
    return str(top) if bottom == 1 else f"\\frac{{{top}}}{{{bottom}}}"


def decimal(value: Fraction) -> str | None:
    """Write a number as an exact decimal if it has one of at most 12 places."""
    bottom, places = value.denominator, 0
    while bottom > 1 and places < 12 and (10**places) % bottom:
        places += 1
    if (10**places) % value.denominator:
        return None
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    sign = "-" if value < 0 else ""
    return sign + (digits[:-places] + "." + digits[-places:] if places else digits)


def _written(gold: Gold, body: Anatomy, kind: str, value: Fraction) -> Iterator[Made]:
    """Write a wrong value in several ways."""

    def proof() -> bool:
        return outside(gold, body, value)

    top, bottom = value.numerator, value.denominator
    if max(abs(top), bottom) > 10**15:
        return
    yield kind, body.text(plain(value)), proof
    exact = decimal(value)
    if exact:
        yield kind, body.text(exact), proof
    if bottom > 1:
        yield kind, body.text(f"{top}/{bottom}"), proof
    else:
        yield kind, body.text(f"\\frac{{{2 * top}}}{{2}}"), proof
        yield kind, body.text(f"{top:,}"), proof
        yield kind, body.text(f"{top}.0"), proof


#: Dimension and factor of the units that the mutations exchange.
UNITS = {
    "m": ("length", Fraction(1)), "cm": ("length", Fraction(1, 100)),
    "km": ("length", Fraction(1000)), "mm": ("length", Fraction(1, 1000)),
    "g": ("mass", Fraction(1, 1000)), "kg": ("mass", Fraction(1)),
    "mg": ("mass", Fraction(1, 10**6)), "s": ("time", Fraction(1)),
    "min": ("time", Fraction(60)), "hours": ("time", Fraction(3600)),
    "days": ("time", Fraction(86400)), "minutes": ("time", Fraction(60)),
    "seconds": ("time", Fraction(1)), "hour": ("time", Fraction(3600)),
    "dollars": ("money", Fraction(1)), "cents": ("money", Fraction(1, 100)),
    "m/s": ("speed", Fraction(1)), "km/h": ("speed", Fraction(1000, 3600)),
    "m/s^2": ("acceleration", Fraction(1)), "m^2": ("area", Fraction(1)),
    "cm^2": ("area", Fraction(1, 10**4)), "m^3": ("volume", Fraction(1)),
    "J": ("energy", Fraction(1)), "kJ": ("energy", Fraction(1000)),
    "N": ("force", Fraction(1)), "W": ("power", Fraction(1)),
    "inches": ("length", Fraction(254, 10000)), "feet": ("length", Fraction(3048, 10000)),
}  # fmt: skip


def units(gold: Gold, body: Anatomy) -> Iterator[Made]:
    """Exchange a unit for another one; a unit that is left out is no error (rule "units")."""
    unit = re.sub(r"\s+|[{}]", "", body.unit)
    core = body.parts[0]
    if unit not in UNITS or body.value == 0:
        return
    for other in UNITS:
        if UNITS[other] != UNITS[unit]:
            yield "unit changed", body.text(core, after=rf" \text{{ {other}}}"), None
            if other[-1].isalpha() and len(other) > 1:
                yield "unit changed", body.text(core, after=f" {other}"), None
    if "^" not in unit and "/" not in unit:
        yield "unit exponent", body.text(core, after=rf" \text{{ {unit}}}^2"), None
        yield "unit exponent", body.text(core, after=rf" \text{{ {unit}}}^{{-1}}"), None
        yield "unit exponent", body.text(core, after=rf" \text{{ {unit}/s}}"), None
    elif "^2" in unit:
        yield (
            "unit exponent",
            body.text(core, after=rf" \text{{ {unit.replace('^2', '^3')}}}"),
            None,
        )
        yield "unit exponent", body.text(core, after=rf" \text{{ {unit.replace('^2', '')}}}"), None
    if "." in core:
        yield "decimal point dropped", body.text(core.replace(".", "")), None
        yield "decimal point dropped", body.text(core.replace(".", " ")), None
