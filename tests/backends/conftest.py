"""A server that answers as the tests tell it, and an environment without traces of real ones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.backends.openai import backend as backend_module
from tests.backends.fake_server import FakeServer
from tests.backends.openai_calls import KEY


@pytest.fixture
def openai_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave one key in the environment, and have a call that failed repeated at once."""
    for name in ("OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(backend_module, "_FIRST_WAIT", 0.01)


@pytest.fixture
def server(openai_environment: None) -> Iterator[FakeServer]:
    """Run a server on the loopback."""
    with FakeServer().running() as running:
        yield running
