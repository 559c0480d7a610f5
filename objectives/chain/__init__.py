"""The chain from the teacher to a trained student, stage by stage through a cache, and its scores.

The workbench is what a worker trains and scores with; `keys` say what decides a stage's bits.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
