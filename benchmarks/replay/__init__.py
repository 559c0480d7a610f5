"""Searches that are simulated: the real engine on a recorded table, against a simulated clock.

`one_search` replays one, `compare` every strategy on every table and seed; `paired`, `stop_by_gain`
and `end_to_end` ask something of such runs, the last beside real searches, and `standalone_rates`
of simulated studies of the stand-alone pruner. What a run came to is a RunRecord.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
