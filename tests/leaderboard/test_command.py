"""What `harness leaderboard` starts, and who reaches it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from harness.cli.results import leaderboard
from harness.errors import HarnessError


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """Collect the commands that would have taken this process over."""
    found: list[list[str]] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_RESULTS", "")
    monkeypatch.setattr(os, "execv", lambda program, arguments: found.append(arguments))
    return found


@pytest.mark.parametrize(
    ("address", "shown"),
    [("127.0.0.1", False), ("127.0.0.2", False), ("0.0.0.0", True), ("", True)],
)
def test_who_can_reach_the_pages_is_reported(
    started: list[list[str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    address: str,
    shown: bool,
) -> None:
    leaderboard(tmp_path / "r.duckdb", address=address)
    (arguments,) = started
    assert arguments[arguments.index("--server.address") + 1] == address
    assert ("has no password" in capsys.readouterr().err) is shown


def test_only_this_machine_reaches_them_by_default(
    started: list[list[str]], tmp_path: Path
) -> None:
    leaderboard(tmp_path / "r.duckdb")
    assert "127.0.0.1" in started[0]


def test_an_address_that_is_none_is_refused(started: list[list[str]], tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="no address"):
        leaderboard(tmp_path / "r.duckdb", address="no..address")
    assert started == []


@pytest.mark.parametrize("address", ["127.0.0.1", ""])
def test_a_port_in_use_is_refused_with_a_remedy(
    started: list[list[str]], tmp_path: Path, address: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(HarnessError, match=f"cannot listen on port {port}.*--port {port + 1}"):
            leaderboard(tmp_path / "r.duckdb", port=port, address=address)
    with pytest.raises(HarnessError, match="port 70000"):
        leaderboard(tmp_path / "r.duckdb", port=70000)
    assert started == []
    leaderboard(tmp_path / "r.duckdb", port=port, address=address)
    assert len(started) == 1, "it has become free"
