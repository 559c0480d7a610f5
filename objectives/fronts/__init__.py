"""Pareto arithmetic, and how sure a place on the front is. No torch."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
