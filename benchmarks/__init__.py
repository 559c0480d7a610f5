"""The measured comparisons behind every figure we state, and the tables they run on.

`tables` are recorded once, `replay` searches on them, `peers` are what others search with, `page`
says what came of it, and `timings` is how long the program itself takes. A script is run as
`python -m benchmarks.ROOM.SCRIPT`, by `script`.
"""
