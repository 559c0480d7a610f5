"""Training of one network: the loop, its losses, what the teacher says, and adapters.

A run is interrupted and gone on with after any epoch, with the same bits.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
