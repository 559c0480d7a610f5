"""How a study searches: which student is begun, gone on with, paused or offered to a scheme.

`parts_named` puts sampler, pruner and scheduler together by their names; ours (freeze-thaw by
expected hypervolume per second) and Optuna's samplers, which are shown students instead of points.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
