"""The searches: from the state of a run to its next step. GLOV is one of them."""
