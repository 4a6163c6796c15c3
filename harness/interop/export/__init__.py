"""Writers of results: tables, an HTML report, a model card, and the choice of runs for them."""
