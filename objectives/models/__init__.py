"""Networks by name, and their weights in files."""

from objectives.models.build import (
    build_model,
    initialised_model,
    known_models,
)
from objectives.models.channel_groups import Importance
from objectives.models.outputs import in_words
from objectives.models.pretrained import load_pretrained, pretrained_file
from objectives.models.pruning import channels_alone, cut_channels, unread_channels
from objectives.models.recognised import recognised
from objectives.models.saving import fit_to_save
from objectives.models.small_maps import computes_plainly, speed_up_small_maps
from objectives.models.users_code import (
    place_and_words,
    source_files,
    users_function,
)
from objectives.models.weights import load_weights, loaded_model, save_weights
from objectives.models.zeros import (
    kept_largest,
    layers_called_once,
    layers_with_own_weight,
    zeros_by_layer,
)

__all__ = [
    "Importance",
    "build_model",
    "channels_alone",
    "computes_plainly",
    "cut_channels",
    "fit_to_save",
    "in_words",
    "initialised_model",
    "kept_largest",
    "known_models",
    "layers_called_once",
    "layers_with_own_weight",
    "load_pretrained",
    "load_weights",
    "loaded_model",
    "place_and_words",
    "pretrained_file",
    "recognised",
    "save_weights",
    "source_files",
    "speed_up_small_maps",
    "unread_channels",
    "users_function",
    "zeros_by_layer",
]
