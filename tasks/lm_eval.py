r"""Any generate-until task of the installed lm-eval, with its own prompt, filters and metric.

``lm_eval:gsm8k`` takes the first filter of the task, ``lm_eval:gsm8k/flexible-extract`` another.
Documents, few-shot examples, prompt, stop strings, token budget, filters and metric are lm-eval's
(https://github.com/EleutherAI/lm-evaluation-harness, MIT; each task's licence is its data's); the
engine, the store and the intervals are ours. ``bench/lm_eval_scores.py`` gives identical
generations to lm-eval itself and compares prompts and verdicts one by one.

A row is lm-eval's document, for gsm8k ``{"question": "A robe takes 2 bolts …", "answer": "It takes
2/2=<<2/2=1>>1 bolt … \n#### 3"}``.

- **Prompt:** what lm-eval sends with ``--apply_chat_template --fewshot_as_multiturn false``: the
  few-shot examples and the question as one user message, after the task's description as system
  message if it has one. Seeds are lm-eval's defaults (0 for documents, 1234 for examples).
- **Score:** an item is right where the task's exact-match-like metric is 1. Tasks scored by a
  similarity (BLEU, F1), by log-likelihoods or by several samples together are refused, and so are
  those that run or evaluate what the model wrote, that need pictures, or that begin the answer for
  the model: each with a sentence that says so.
- **Samples:** ``repeats`` becomes samples per item where the task samples. lm-eval's ``take_first``
  then judges one of them; here all are judged, so that the score is their mean.
- **Data:** from the hub. ``HARNESS_LM_EVAL_DATA`` names a JSON file that replaces it, explicitly,
  task by task, because lm-eval's columns and splits differ from other copies of a benchmark::

      {
        "gsm8k": {"files": {"train": "gsm8k_train.jsonl", "test": "gsm8k.jsonl"}},
        "aime24": {"files": {"train": "aime24.jsonl"},
                   "columns": {"problem": "Problem", "answer": "Answer"}},
        "gpqa_diamond_cot_zeroshot": {"files": {"train": "gpqa_dataset.zip"}}
      }

  Files are JSON lines, relative to that file, or the official zip of GPQA; ``columns`` renames.
- **Oddities:** the GPQA tasks shuffle their options by Python's shared random numbers, and lm-eval
  keeps the first order in the hub's cache; here they are shuffled again from lm-eval's seed, which
  is what lm-eval does with an empty cache. ``minerva_math*`` insists on version 4.11 of the ANTLR
  runtime, which other graders here cannot use; ``_lm_eval_config`` reports that one to it.
"""

from harness.task import Family, Task


def make(argument: str) -> Task:
    from tasks._lm_eval_tasks import make_task

    return make_task(argument)


FAMILY = Family(make)
