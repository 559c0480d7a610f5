"""Where students end, and what that would add to the front.

A Gaussian process over settings and families of students, learning curves read to their ends, and
expected gains in hypervolume at known costs. The strategy asks; nothing here decides.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
