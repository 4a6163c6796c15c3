"""The regression gate: pass, fail or undecided, paired item by item with a stored baseline."""
