"""The results file and everything that is read from it or written to it."""

from harness.store.journal import Journal
from harness.store.locks import alone
from harness.store.recovery import recover
from harness.store.store import SCHEMA_VERSION, Store

__all__ = ["SCHEMA_VERSION", "Journal", "Store", "alone", "recover"]
