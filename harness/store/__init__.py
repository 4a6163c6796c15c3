"""The results file (DuckDB), the journals in front of it, and every query on it.

One module a subject: runs (``queries``), samples, item results, sessions, trainings, labels,
reviews, gate decisions, published scores. May import ``statistics`` and ``types``.
"""

from harness.store.journal import Journal
from harness.store.locks import run_lock
from harness.store.recovery import recover
from harness.store.store import SCHEMA_VERSION, Store

__all__ = [
    "Journal",
    "SCHEMA_VERSION",
    "Store",
    "run_lock",
    "annotation_queue",
    "gate_decisions",
    "item_results",
    "labels",
    "published",
    "queries",
    "recover",
    "recovery",
    "reviews",
    "rows",
    "sample_scan",
    "samples",
    "sessions",
    "store",
    "summaries",
    "training",
]
