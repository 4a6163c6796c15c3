"""The results file and everything that is read from it or written to it."""

from harness.store.journal import Journal, alone, recover
from harness.store.store import SCHEMA_VERSION, Store

__all__ = ["SCHEMA_VERSION", "Journal", "Store", "alone", "recover"]
