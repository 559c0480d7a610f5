"""What a point is worth: data, models, the chain, runtimes, measurement. No Optuna.

Names are looked up when first asked for: results, costs and Pareto arithmetic need no torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
