"""How a setting declares itself, where it lives: a field of a network, a stage, a method or a leaf.

`suggest`, a study file's tables and checks, the surrogate's features, importances, report titles
and what `--dry-run` prints all follow from these declarations.
"""

from spaces.settings.declaration import (
    Declared,
    Setting,
    Settings,
    choice_of,
    own_settings,
    setting,
)
from spaces.settings.places import PLACES
from spaces.settings.rules import SEED, Flag, Number, Parts, Rule, Word, check_numbers

__all__ = [
    "PLACES",
    "SEED",
    "Declared",
    "Flag",
    "Number",
    "Parts",
    "Rule",
    "Setting",
    "Settings",
    "Word",
    "check_numbers",
    "choice_of",
    "own_settings",
    "setting",
]
