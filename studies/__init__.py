"""What is searched: study files, the storage a study lies in, and what it has recorded.

Names are looked up when first asked for: `--help` needs no database.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
