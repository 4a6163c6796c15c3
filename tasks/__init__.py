"""Benchmarks, one file each: where its items come from, the prompt, how an answer is graded."""
