"""What artifacts weigh and take: the cost table, measured here or on another device."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
