"""Codes of weights that were learned, in the stage cache: made once, and gone on with."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from objectives.chain.cache import Draft, StageCache
from objectives.runtimes import LearnsCodes
from spaces import Scheme

CODES_VERSION = 1
"""Raised by whoever changes which codes are chosen."""
_FILE = "codes.safetensors"
_SAVED_EVERY_S = 5.0
"""What a killed process loses at most, beside the layer it was at."""

_Layers = Mapping[str, Mapping[str, NDArray[np.generic]]]


def learn_codes(writer: LearnsCodes, scheme: Scheme, cache: StageCache, key: str) -> float:
    """Have `writer` know the codes of `scheme`, from the cache, or learned and put there.

    Returns the seconds that a process which did not live to publish them had spent on them.
    """
    spent_before = 0.0

    def build(draft: Draft) -> bool:
        nonlocal spent_before
        memory = _Draft(draft)
        spent_before = memory.spent_before
        writer.learn(scheme, memory)
        with draft.publishing({"seconds": memory.seconds}) as folder:
            _write(memory.recall(), folder)
        return True

    with ExitStack() as leases:
        entry = cache.obtain(key, build, leases)
        if entry is None:
            raise AssertionError("nobody stops it")
        writer.learn(scheme, _Entry(entry.folder))
    return spent_before


class _Entry:
    """The LayerMemory of an entry."""

    complete = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def recall(self) -> _Layers:
        return _read(self._folder)

    def keep(self, layer: str, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        raise AssertionError(f"{layer} is there: {', '.join(arrays)}")


class _Draft:
    """The LayerMemory of an entry in the making."""

    complete = False

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        found = draft.checkpoint()
        self._layers = dict({} if found is None else _read(found.folder))
        self.spent_before: float = 0.0 if found is None else found.notes["seconds"]
        self._begun = self._saved = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Those of all processes that took part."""
        return self.spent_before + time.perf_counter() - self._begun

    def recall(self) -> _Layers:
        return self._layers

    def keep(self, layer: str, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        self._layers[layer] = arrays
        if time.perf_counter() - self._saved > _SAVED_EVERY_S:
            with self._draft.saving_checkpoint(len(self._layers), {"seconds": self.seconds}) as at:
                _write(self._layers, at)
            self._saved = time.perf_counter()


def _write(layers: _Layers, folder: Path) -> None:
    flat = {
        f"{layer}/{name}": np.ascontiguousarray(values)
        for layer, arrays in layers.items()
        for name, values in arrays.items()
    }
    save_file(flat, folder / _FILE)


def _read(folder: Path) -> _Layers:
    layers: dict[str, dict[str, NDArray[np.generic]]] = {}
    for name, values in load_file(folder / _FILE).items():
        layer, _, what = name.rpartition("/")
        layers.setdefault(layer, {})[what] = values
    return layers
