"""Numbers of arrays: each module is a measure from one paper, and knows nothing of runs or methods."""
