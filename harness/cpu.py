"""What this machine's CPU can do: bfloat16 units, speed of multiplication, how busy it is.

Nothing here imports torch before it is asked for, except to measure.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

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
        return bool(_X86_UNITS & _cpu_flags("flags"))
    if machine in ("aarch64", "arm64"):
        return "bf16" in _cpu_flags("Features")
    return True  # where nothing is known, the engine's own choice stands


def _cpu_flags(label: str) -> frozenset[str]:
    """Return the instruction sets of the first core, as the kernel names them."""
    try:
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == label:
                return frozenset(value.split())
    except OSError:
        pass
    return frozenset()


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


def share_cores_politely() -> None:
    """Set how threads of OpenMP wait, before torch is loaded; what the user has set stays.

    They spin by default, and where another process has one of their cores all of them wait for
    that one: one busy process cost an engine three quarters of its speed. On a busy machine they
    sleep instead, which costs a fifth on an idle one.
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

    0 where the system does not tell.
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
