"""When a trial can no longer matter: bounds on where it ends, incumbents at its costs, audits.

One rule with two faces: the pruner of our studies, and `KnownCostStopper` for anybody's
multi-objective Optuna study.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
