"""How long the program takes: its main job, its decisions, its reports, an export, a look-up.

A script a question, with the figures of some machine in a file beside it. `harness` takes the times
and prints them, with --json to compare two checkouts; `made_up` makes the long studies that nobody
trained.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
