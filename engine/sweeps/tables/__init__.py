"""The paper's tables: their runs, what these cost, and ours beside the paper's numbers."""
