"""Networks by name, and their weights in files."""

from objectives.models.build import (
    build_model,
    initialised_model,
    known_models,
    users_function,
)
from objectives.models.recognised import recognised
from objectives.models.small_maps import speed_up_small_maps
from objectives.models.weights import load_weights, save_weights

__all__ = [
    "build_model",
    "initialised_model",
    "known_models",
    "load_weights",
    "recognised",
    "save_weights",
    "speed_up_small_maps",
    "users_function",
]
