"""What comparisons come to, for a reader: docs/benchmarks.md, its figures, and shares over compute.

`results` makes medians, bounds and ratios of the runs that benchmarks.replay keeps; `page` and
`anytime` print them.
"""
