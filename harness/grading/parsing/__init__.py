"""From the text of an answer to an expression tree.

A module belongs here if it can work on one answer alone: normalisation, tokenizer, parser, and the
vocabulary of units, number words, nouns and phrases. Nothing here evaluates or compares
expressions, so it imports neither of the other two sub-packages.
"""
