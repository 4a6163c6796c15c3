"""The least a vLLM script can do: read prompts, generate, write the texts.

    python bench/bare_vllm.py PROMPTS.json OUTPUT.jsonl

``PROMPTS.json`` holds the checkpoint, the engine's settings, the environment and the token ids, as
``peers.py`` writes it, so that both sides generate from the same prompts with the same settings.
"""

import json
import os
import sys


def main(prompts_file: str, output_file: str) -> None:
    with open(prompts_file) as file:
        job = json.load(file)
    os.environ.update(job["environment"])
    from vllm import LLM, SamplingParams

    engine = LLM(model=job["model"], **job["settings"])
    outputs = engine.generate(
        [{"prompt_token_ids": ids} for ids in job["prompts"]],
        SamplingParams(temperature=0.0, max_tokens=job["max_tokens"]),
        use_tqdm=False,
    )
    with open(output_file, "w") as file:
        for output in outputs:
            (sample,) = output.outputs
            row = {"text": sample.text, "tokens": len(sample.token_ids)}
            file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:3])
