"""One file per benchmark: where its items come from, the prompt, how an answer is judged."""
