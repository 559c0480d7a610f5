"""What the commands share: options, the opened study, progress, and what they write.

A command is one file beside this room: it parses, calls, prints and exits. Here lie the options
that mean the same everywhere, the session in which a study is open, the view of a search in
progress, the recipe and the folder of an exported model, and why a study is at its end.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
