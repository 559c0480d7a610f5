"""The measured comparisons behind every figure we state, and the tables they run on."""
