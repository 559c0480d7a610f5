"""What comparisons come to, for a reader: docs/benchmarks.md, its figures, and shares over compute.

`results` makes medians and ratios of the runs that benchmarks.replay keeps, `censored` bounds where
runs ended too early; `page` and `anytime` print them.
"""
