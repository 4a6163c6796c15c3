"""What the documentation names exists: files, commands and their options, links."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

import harness
from harness.cli.main import app
from train_cft.cli.main import app as training_app

ROOT = Path(harness.__file__).parent.parent
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "bench/README.md", ROOT / "action.yml"]
EXAMPLES = {"my_tasks/products.py", "harness/interop/importers/NAME.py"}
page = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)


@cache
def _files() -> frozenset[str]:
    folders = (folder for folder in ROOT.iterdir() if not folder.name.startswith((".", "build")))
    return frozenset(
        f"/{path.relative_to(ROOT)}" for folder in folders for path in folder.rglob("*.*")
    )


@page
def test_every_file_that_is_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    if page.name == "CHANGELOG.md":  # names what there was
        return
    named = set(re.findall(r"(?<![\w./<{-])(?:\w+/)*\w+\.(?:py|sql|sha256)\b", text)) - EXAMPLES
    assert not {name for name in named if not any(f.endswith(f"/{name}") for f in _files())}
    links = re.findall(r"\]\((?!https?:)([^)#\s]+)", text)
    assert not [link for link in links if not (page.parent / link).exists()]


@page
def test_every_command_and_option_that_is_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = re.findall(r"(?:(?<=`)|^\s*(?:- )?)(harness|train-cft) ([^`\n#|]*)", text, re.MULTILINE)
    for program, line in lines:
        command: Any = typer.main.get_command(app if program == "harness" else training_app)
        words = line.split()
        while hasattr(command, "commands") and words and re.fullmatch("[a-z][a-z-]*", words[0]):
            assert words[0] in command.commands, f"{program} {line}"
            command = command.commands[words.pop(0)]
        options = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
        given = set(re.findall(r"(?<!\S)--[a-z][\w-]*", line)) - {"--help"}
        assert given <= options, f"{program} {line}"
