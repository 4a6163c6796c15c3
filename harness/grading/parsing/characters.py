"""From the characters of Unicode and HTML to the LaTeX that the tokenizer knows."""

from __future__ import annotations

import html
import re
import unicodedata
from functools import cache
from itertools import groupby

_SPELLED = {
    "∞": r"\infty ", "√": r"\sqrt ", "∛": r"\cbrt ", "∜": r"\sqrt[4]", "∪": r"\cup ",
    "∩": r"\cap ", "≤": r"\le ", "≥": r"\ge ", "⩽": r"\le ", "⩾": r"\ge ", "≦": r"\le ",
    "≧": r"\ge ", "≠": r"\ne ", "≈": r"\approx ", "≡": r"\equiv ", "×": r"\times ", "·": r"\cdot ",
    "⋅": r"\cdot ", "∙": r"\cdot ", "•": r"\cdot ", "∗": r"\cdot ", "÷": "/", "∕": "/", "⁄": "/",
    "∋": r"\ni ", "∌": r"\notni ", "⊂": r"\subset ", "⊃": r"\supset ", "⊆": r"\subseteq ",
    "⊇": r"\supseteq ", "⊄": r"\nsubset ", "⊅": r"\nsupset ", "⊈": r"\nsubseteq ",
    "⊉": r"\nsupseteq ", "∈": r"\in ", "∉": r"\notin ", "ℝ": r"\mathbb{R}",
    "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}",
    "ℚ": r"\mathbb{Q}", "ℂ": r"\mathbb{C}", "∅": r"\emptyset ", "±": r"\pm ", "∓": r"\mp ",
    "°": r"^{\circ}", "º": r"^{\circ}", "∖": r"\setminus ", "∨": r"\lor ", "∧": r"\land ",
    "∣": r"\mid ", "∥": r"\|", "‖": r"\|", "⌊": r"\lfloor ", "⌋": r"\rfloor ", "⌈": r"\lceil ",
    "⌉": r"\rceil ", "⟨": r"\langle ", "⟩": r"\rangle ", "〈": r"\langle ", "〉": r"\rangle ",
    "∆": r"\Delta ", "∂": r"\partial ", "∠": r"\angle ", "∑": r"\sum ", "∏": r"\prod ",
    "∫": r"\int ", "→": r"\to ", "⋯": r"\dots ", "ℓ": r"\ell ", "ℏ": r"\hbar ", "ϕ": r"\phi ",
    "ϵ": r"\epsilon ", "ϑ": r"\theta ", "⊤": r"\top ",
    **{chr(0x2460 + k): f"{k + 1}, " for k in range(20)},  # circled numbers of a list
}  # fmt: skip
#: Units are written with these two; the tokenizer reads them as letters elsewhere.
_KEPT = frozenset("μµΩΩ")
_LATIN_TWINS = dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο", "ABEZHIKMNOPTYXo", strict=True))
_SCRIPT_TAG = re.compile(r"<(sup|sub)>(.*?)</\1>", re.S)
_STYLE_TAG = re.compile(r"<(b|i|em|strong|span|p|code)>(.*?)</\1>", re.S)
_ENTITY = re.compile(r"&(?:[a-zA-Z]{2,8}|#\d{1,6}|#x[0-9a-fA-F]{1,5});")
_RAISED_ROOT = re.compile("(?<![\\w)}\\]])([²³⁴⁵⁶⁷⁸⁹])√")
_UNCLEAR_ROOT = re.compile("\\d[³⁴⁵⁶⁷⁸⁹]√")
_OVERLINED_DIGITS = re.compile("(?:\\d[\u0304\u0305])+")
_CHINESE_DIGITS = {char: k for k, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_CHINESE_UNITS = {"十": 10, "百": 100, "千": 1000}
_CHINESE_NUMBER = re.compile("[零〇一二两三四五六七八九十百千万]+")


def latex(text: str) -> str:
    """Spell a text in ASCII: Unicode signs as LaTeX commands, HTML as what it shows."""
    if "<" in text:
        text = _SCRIPT_TAG.sub(lambda m: ("^" if m[1] == "sup" else "_") + "{" + m[2] + "}", text)
        text = _STYLE_TAG.sub(r" \2 ", text)
    if "&" in text:
        text = _ENTITY.sub(lambda m: html.unescape(m[0]), text)
    if text.isascii():
        return text
    text = unicodedata.normalize("NFC", text)
    bare = text.strip()
    whole = chinese_number(bare.removeprefix("负"))
    if whole is not None:
        return f"-{whole}" if bare.startswith("负") else str(whole)
    if _UNCLEAR_ROOT.search(text):
        return text
    text = _RAISED_ROOT.sub(
        lambda m: f"\\sqrt[{unicodedata.digit(m[1])}]" if m[1] != "²" else r"\sqrt ", text
    )
    text = _OVERLINED_DIGITS.sub(
        lambda m: "\\overline{" + re.sub("[\u0304\u0305]", "", m[0]) + "}", text
    )
    parts = []
    for script, run in groupby(text, _script):
        spelled = "".join(map(_spelled, run))
        parts.append(f"{script}{{{spelled}}}" if script else spelled)
    return "".join(parts)


@cache
def _script(char: str) -> str:
    tag = unicodedata.decomposition(char).partition(" ")[0]
    return {"<super>": "^", "<sub>": "_"}.get(tag, "") if char not in "ºª™" else ""


@cache
def _spelled(char: str) -> str:
    """Spell one character; what has no meaning here stays, for the tokenizer to refuse."""
    if char.isascii() or char in _KEPT:
        return char
    if char in _SPELLED:
        return _SPELLED[char]
    plain = unicodedata.normalize("NFKC", char)
    if "⁄" in plain:  # "½"
        above, _, below = plain.partition("⁄")
        return f"\\frac{{{above}}}{{{below}}}" if below else char
    if plain in _SPELLED:
        return _SPELLED[plain]
    if plain in _LATIN_TWINS:
        return _LATIN_TWINS[plain]
    name = unicodedata.name(plain, "") if len(plain) == 1 else ""
    kind, _, letter = name.partition(" LETTER ")
    if kind in ("GREEK SMALL", "GREEK CAPITAL") and letter.isalpha():
        command = letter.lower().replace("lamda", "lambda")
        return f"\\{command} " if kind == "GREEK SMALL" else f"\\{command.capitalize()} "
    return {"−": "-"}.get(plain, plain) if plain.replace("−", "-").isascii() else char


def chinese_number(text: str) -> int | None:
    """Read a whole number below a hundred million in Chinese numerals."""
    if not _CHINESE_NUMBER.fullmatch(text) or len(text) > 20 or text.count("万") > 1:
        return None
    if "万" in text:
        above, _, below = text.partition("万")
        high = chinese_number(above)
        low = chinese_number(below) if below else 0
        return None if high is None or low is None else high * 10_000 + low
    if all(char in _CHINESE_DIGITS for char in text):
        return int("".join(str(_CHINESE_DIGITS[char]) for char in text))
    total, digit, last = 0, None, 10_000
    for char in text:
        unit = _CHINESE_UNITS.get(char)
        if unit is None:
            if digit:
                return None
            digit = _CHINESE_DIGITS[char]
        elif unit >= last or (digit is None and unit != 10):
            return None
        else:
            total += (1 if digit is None else digit) * unit
            digit, last = None, unit
    # "一百五" is 150 in speech and 105 to nobody: it is left alone.
    if digit and last > 10 and "零" not in text and "〇" not in text:
        return None
    return total + (digit or 0)
