"""What the gate leaves behind says the same everywhere, and a stranger's names do nothing in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import duckdb
import pytest
from markdown_it import MarkdownIt

from harness.gate.junit import junit_of_error
from harness.gate.markdown import markdown_of_error
from harness.text import trimmed
from tests.conftest import Finished

Call = Callable[..., Finished]
HOSTILE = "x<script>alert(1)</script>|`**[a](//hostile.invalid)** @everyone\x1b[31m\n# big"
ALLOWED = {"h2", "p", "table", "thead", "tbody", "tr", "th", "td", "code", "strong", "ul", "li"}


def _rendered(markdown: str) -> str:
    return MarkdownIt("commonmark").enable("table").render(markdown)


def _tags(html: str) -> set[str]:
    return set(re.findall(r"<([a-z0-9]+)", html))


@pytest.fixture
def written(gate: Call, tmp_path: Path) -> Callable[..., tuple[Finished, str, str]]:
    def call(candidate: str, **config: object) -> tuple[Finished, str, str]:
        files = ("--markdown", tmp_path / "deep" / "gate.md", "--junit", tmp_path / "gate.xml")
        done = gate(candidate, *files, **config)
        markdown, junit = (Path(file).read_text() for file in (files[1], files[3]))
        return done, markdown, junit

    return call


def test_names_of_strangers_are_shown_and_do_nothing(
    written: Callable[..., tuple[Finished, str, str]],
) -> None:
    done, markdown, junit = written(f"{HOSTILE}:drop=0.9", tasks="hostile", margin=7)
    assert done.code == 1 and "\x1b" not in done.out
    html = _rendered(markdown)
    assert _tags(html) <= ALLOWED, "nothing of theirs became markup"
    assert "&lt;script&gt;alert(1)&lt;/script&gt;|`**[a](//hostile.invalid)** @everyone" in html
    assert "&lt;img src=x&gt;|`](http://hostile.invalid) @everyone-" in html, "an item's name"
    for text in ("<script", "<img", "http:", "@"):
        assert text not in markdown
    for table in re.findall(r"(?:^\|.*\n)+", markdown, flags=re.MULTILINE):
        assert len({row.count("|") for row in table.splitlines()}) == 1
    root = ElementTree.fromstring(junit)
    assert root.find(".//testsuite[@name='hostile']/testcase/failure") is not None


def test_all_forms_tell_the_same(
    written: Callable[..., tuple[Finished, str, str]], results: Path
) -> None:
    done, markdown, junit = written("same", tasks="sums,more_sums", margin=15)
    html, words = _rendered(markdown), " ".join(done.out.split())
    for text in ("pass", "together", "of 400", "of 200", "grader failure", "full evaluation"):
        assert text in html and text in words
    assert words.startswith("PASS same against the baseline base")
    # The first attempt has 90 % of 5 % for passing wrongly, and of that less the guards' fifth over
    # three tests for failing wrongly.
    for text in (
        "With 95.5 % confidence each drop is under its margin, over new items: sums under 15",
        "Each interval holds with 94.3 % confidence",
    ):
        assert text in html and text in words
    root = ElementTree.fromstring(junit)
    said = [output.text or "" for output in root.iterfind("./testsuite[@name='sums']//system-out")]
    loop = "loop: 0.0 % to 0.0 %, a rise of 0 points, between"
    assert any(text.startswith(loop) for text in said)
    assert "sums: 0 % on both sides: truncation, no answer, loop, grader failure" in words
    assert "not shown to be breached" in words
    for text in ("not shown to be breached", "tolerated"):
        assert text in html and text in junit
    suites = {suite.get("name"): suite for suite in root}
    assert set(suites) == {"sums", "more_sums", "all tasks together"}
    assert suites["sums"].get("tests") == "5" and suites["sums"].get("failures") == "0"


def test_undecided_is_a_failure_or_skipped_as_the_configuration_says(
    written: Callable[..., tuple[Finished, str, str]],
) -> None:
    for said, kind in (("fail", "failure"), ("neutral", "skipped")):
        done, markdown, junit = written("same", tasks="hostile", margin=6, undecided=f'"{said}"')
        assert done.code == 3 and "would take" in markdown
        case = ElementTree.fromstring(junit).find(".//testcase")
        assert case is not None and case.find(kind) is not None


def test_no_text_of_a_restricted_benchmark_is_told(
    gate: Call, tmp_path: Path, results: Path
) -> None:
    files = (tmp_path / "gate.md", tmp_path / "gate.xml")
    printed = ""
    for more in (("--json",), ()):
        done = gate(
            *("worse:drop=0.8", "--markdown", files[0], "--junit", files[1], *more),
            tasks="secret",
            margin=5,
        )
        assert done.code == 1
        printed += done.out + done.err + "".join(file.read_text() for file in files)
    with duckdb.connect(str(results), read_only=True) as connection:
        printed += str(connection.execute("SELECT * FROM gate_decision").fetchall())
        stored = connection.execute("SELECT DISTINCT restricted FROM generation").fetchall()
    assert "rec-" in printed, "items are named"
    for text in ("in secret?", "What is", "boxed"):
        assert text not in printed
    assert (True,) in stored


def test_errors_are_written_for_ci_too() -> None:
    message = 'a "bug" <here> \x00 & there \ud800'
    assert ElementTree.fromstring(junit_of_error(message)).find(".//error") is not None
    assert _tags(_rendered(markdown_of_error(message))) <= ALLOWED


def test_nothing_in_a_ci_log_is_a_command_of_a_strangers(
    written: Callable[..., tuple[Finished, str, str]], gate: Call
) -> None:
    name = "::add-mask::x\n\t::stop-commands::y ##[add-path]z"
    done, *files = written(f"{name}:drop=0.9", tasks="hostile", margin=7)
    assert done.code in (1, 3)
    refused = gate("same", "--baseline", name)
    assert refused.code == 2 and "add-mask" in refused.err
    error = f"{name} cannot be read."
    printed = [done.out, done.err, *files, refused.err, markdown_of_error(error)]
    for text in (*printed, junit_of_error(error)):
        assert not [line for line in text.splitlines() if line.strip().startswith("::")]
        assert "##[" not in text


def test_points_are_short_and_signed() -> None:
    assert [trimmed(share) for share in (0.02, 0, -0.0, -0.125, 1)] == [
        *("2", "0", "0", "\N{MINUS SIGN}12.5", "100"),
    ]
