"""Processes that run the trials of a study, and what they do from start to end.

`launch` starts them, `claims` says which trial is whose, `heartbeat` who is alive, and `run_trials`
trains, scores and records. `prepare` makes what all trials share, `test_scores` and `repeats` come
after the search.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
