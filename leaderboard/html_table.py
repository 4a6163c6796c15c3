"""Tables and lists of facts as HTML, every text in them escaped; no drawing.

On a phone each row of a table becomes a card, its cells named by their column (``style.css``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from leaderboard.text import escaped


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: Its CSS class.
        title: Its heading, with the unit.
        about: What it means, shown on hover.
        numeric: Whether its cells stand on the right.
        wide: Whether it takes a line of its own on a phone.
    """

    name: str
    title: str
    about: str = ""
    numeric: bool = False
    wide: bool = False


class Html(str):
    """Text that is HTML already, with whatever is foreign in it escaped."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a table: cells by the name of their column, and the CSS class of the row."""

    cells: Mapping[str, str]
    kind: str = ""


def grid(label: str, columns: Sequence[Column], lines: Iterable[Line]) -> str:
    """Return a table as HTML; cells that are not :class:`Html` are escaped."""
    head = "".join(
        f'<th scope="col" class="{_classes(column)}" title="{escaped(column.about)}">'
        f"{escaped(column.title)}</th>"
        for column in columns
    )
    body = "".join(_row(columns, line) for line in lines)
    return (
        f'<table class="grid" aria-label="{escaped(label)}">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _row(columns: Sequence[Column], line: Line) -> str:
    cells = "".join(
        f'<td class="{_classes(column)}" data-label="{escaped(column.title)}">'
        f"{_text(line.cells.get(column.name, ''))}</td>"
        for column in columns
    )
    return f'<tr class="{escaped(line.kind)}">{cells}</tr>'


def _classes(column: Column) -> str:
    return column.name + " num" * column.numeric + " wide" * column.wide


def facts(pairs: Mapping[str, str]) -> str:
    """Return names with their values as HTML; values that are not :class:`Html` are escaped."""
    listed = "".join(
        f"<div><dt>{escaped(name)}</dt><dd>{_text(value)}</dd></div>"
        for name, value in pairs.items()
    )
    return f'<dl class="facts">{listed}</dl>'


def badge(kind: str, text: str) -> Html:
    """Return a word in a frame; ``kind`` colours it, the word alone tells what it means."""
    return Html(f'<span class="badge {escaped(kind)}">{escaped(text)}</span>')


def link(path: str, text: str, about: str = "", **parameters: str | Sequence[str]) -> Html:
    """Return a link to a page of the leaderboard; empty parameters are left out."""
    given = {name: value for name, value in parameters.items() if value}
    query = urlencode(given, doseq=True)
    address = escaped(f"{path}?{query}" if query else path)
    return Html(f'<a href="{address}" target="_self" title="{escaped(about)}">{escaped(text)}</a>')


def joined(parts: Iterable[str], between: str = "<br>") -> Html:
    """Return several cells' texts in one."""
    return Html(between.join(_text(part) for part in parts))


def bullets(label: str, sentences: Iterable[str]) -> str:
    """Return sentences as a list."""
    items = "".join(f"<li>{_text(sentence)}</li>" for sentence in sentences)
    return f'<ul class="sentences" aria-label="{escaped(label)}">{items}</ul>'


def heading(text: str, *, note: str = "") -> str:
    """Return a heading within a page."""
    aside = f' <span class="note">{escaped(note)}</span>' if note else ""
    return f'<h3 class="part">{escaped(text)}{aside}</h3>'


def _text(value: str) -> str:
    return value if isinstance(value, Html) else escaped(value)
