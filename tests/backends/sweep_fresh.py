"""A sweep by the command line, then each checkpoint in an engine of its own, in one process.

python -m tests.backends.sweep_fresh eval … -- CHECKPOINT…

Prints the sweep's own JSON, then greedy texts of the new engines: what the sweep must reproduce.
"""

import json
import sys

from harness.backends.base import EngineOptions
from harness.backends.vllm.backend import VllmBackend
from harness.cli.main import main as harness
from harness.registry import load_task
from harness.run.plan import Settings, plan_task
from tests.backends.test_sweep import BUDGET, ITEMS


def main(command: list[str], folders: list[str]) -> None:
    sys.argv = ["harness", *command]
    try:
        harness()
    except SystemExit as stop:
        if stop.code:
            raise
    texts = {}
    for folder in folders:
        backend = VllmBackend(EngineOptions())
        model = backend.open(folder, None)
        plan = plan_task(load_task("quick"), model, backend, Settings(ITEMS, max_tokens=BUDGET))
        backend.start(model, plan.requests, longest=plan.longest)
        items = {request.key: request.item_id for request in plan.requests}
        texts[folder] = {items[done.key]: done.text for done in backend.generate(plan.requests)}
        backend.close()
    print(json.dumps(texts))


if __name__ == "__main__":
    separator = sys.argv.index("--")
    main(sys.argv[1:separator], sys.argv[separator + 1 :])
