"""Networks by name, and their weights in files."""

from objectives.models.build import (
    build_model,
    initialised_model,
    known_models,
    users_function,
)
from objectives.models.weights import load_weights, save_weights

__all__ = [
    "build_model",
    "initialised_model",
    "known_models",
    "load_weights",
    "save_weights",
    "users_function",
]
