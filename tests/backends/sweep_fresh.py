"""Greedy texts of each checkpoint from an engine of its own: what a sweep must reproduce.

python -m tests.backends.sweep_fresh CHECKPOINT…
"""

import json
import sys

from harness.backends import BackendOptions
from harness.backends.vllm import VllmBackend
from harness.plan import Settings, plan_task
from harness.registry import load_task
from tests.backends.test_sweep import BUDGET, ITEMS


def main(folders: list[str]) -> None:
    texts = {}
    for folder in folders:
        backend = VllmBackend(BackendOptions())
        model = backend.open(folder, None)
        plan = plan_task(load_task("quick"), model, backend, Settings(ITEMS, max_tokens=BUDGET))
        backend.start(model, plan.requests, longest=plan.longest)
        items = {request.key: request.item_id for request in plan.requests}
        texts[folder] = {items[done.key]: done.text for done in backend.generate(plan.requests)}
        backend.close()
    print(json.dumps(texts))


if __name__ == "__main__":
    main(sys.argv[1:])
