"""Finding the final answer in the text of a response.

A module belongs here if it reads prose: chat-template tokens, boxes, "the answer is …", option
letters, yes/no verdicts, and what the words around a value do to it. It returns text and never
judges it, so it may import ``harness.grading.parsing`` but not ``harness.grading.equivalence``.
"""
