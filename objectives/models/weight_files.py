"""A file of tensors, read without running anything in it; what cannot be read gets its words."""

import pickletools
import re
import warnings
import zipfile
from collections import deque
from pathlib import Path

import torch
from safetensors.torch import load_file

from spaces import InputError

_BEGINNINGS = {
    b"version https://git-lfs": (
        "are a Git LFS pointer, not the weights themselves: run `git lfs pull` where they lie"
    ),
    b"/annex/objects/": (
        "are a git-annex pointer, not the weights themselves: run `git annex get` where they lie"
    ),
    b"<!doctype html": "are a web page: what was downloaded is not the file, but a page about it",
    b"<html": "are a web page: what was downloaded is not the file, but a page about it",
    b"\x89HDF": "are an HDF5 file (Keras), and a network of torch cannot take those",
}
"""What is no file of tensors though it has the name of one, by how it begins."""

_SHARD = re.compile(r"-\d+-of-\d+\.|\.index\.json$")
_BLOCKED = re.compile(r"GLOBAL (\S+)")
_ZIP = b"PK\x03\x04"


def read_weight_file(path: Path) -> object:
    """Return what lies in `path`: tensors by name, or what `torch.load(weights_only=True)` gives.

    The content says which of the two it is, not the ending. Raises InputError in one line when the
    file is missing, empty, a pointer, one of several shards, damaged, or would run code.
    """
    if path.is_dir():
        raise InputError(
            f"weights {path} are a folder: expected a .safetensors or .pth file"
            + (_in_folder(path) and f", such as {_in_folder(path)} in it")
        )
    if not path.is_file():
        raise InputError(f"weights {path} do not exist: expected a .safetensors or .pth file")
    try:
        with path.open("rb") as file:
            beginning = file.read(64)
    except OSError as error:
        raise InputError(f"weights {path} cannot be read: {error.strerror}") from error
    if not beginning:
        raise InputError(f"weights {path} are an empty file: was a copy or download cut off?")
    if _SHARD.search(path.name):
        raise InputError(
            f"weights {path} are one of several shards: join them into one .safetensors file"
        )
    for known, words in _BEGINNINGS.items():
        if beginning.lower().startswith(known.lower()):
            raise InputError(f"weights {path} {words}")
    if beginning.startswith(_ZIP) and _is_torchscript(path):
        raise InputError(
            f"weights {path} are a TorchScript archive: save its weights anew with two lines of "
            f"Python: held = torch.jit.load({str(path)!r}); "
            f"torch.save(held.state_dict(), {_beside(path)!r})"
        )
    return _read(path, beginning)


def _read(path: Path, beginning: bytes) -> object:
    try:
        if beginning[8:9] == b"{":  # After the length of a safetensors header.
            return load_file(path)
        # Opened here: torch would go by the ending of a path.
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # Whatever a file that is none makes its reader raise.
        if blocked := _BLOCKED.search(str(error)):
            raise InputError(
                f"weights {path} hold more than tensors ({blocked.group(1)}), and to load that "
                "can run code: if you trust the file, save its weights anew with two lines of "
                f"Python: held = torch.load({str(path)!r}, weights_only=False); "
                f"torch.save({_weights_alone(path)}, {_beside(path)!r})"
            ) from error
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise InputError(
            f"weights {path} are damaged or not a file of tensors (safetensors, or a state dict "
            f"that torch.load(weights_only=True) takes): {reason}"
        ) from error


def _weights_alone(path: Path) -> str:
    """Return the expression that leaves of `held`, what lies in `path`, only tensors by name."""
    pickled = _pickled(path)
    if b"_parameters" not in pickled:
        return (
            "{k: v for k, v in held.items() if torch.is_tensor(v) or isinstance(v, dict) "
            "and any(map(torch.is_tensor, v.values()))}"
        )
    if pickled[2:3] == b"}":  # A dict, after the protocol's two bytes.
        return "{k: v.state_dict() for k, v in held.items() if hasattr(v, 'state_dict')}"
    return "held.state_dict()"


def _pickled(path: Path) -> bytes:
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            for _ in range(3):  # The older form has what it is in pickles of their own before.
                deque(pickletools.genops(file), maxlen=0)
            return file.read()
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith("data.pkl")]
        return archive.read(names[0]) if names else b""


def _is_torchscript(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except zipfile.BadZipFile:  # Torch says what is wrong with it.
        return False


def _beside(path: Path) -> str:
    return str(path.with_name(f"{path.name.partition('.')[0]}-weights.pth"))


def _in_folder(path: Path) -> str:
    endings = (".safetensors", ".pth", ".pt", ".ckpt", ".bin")
    return next((one.name for one in sorted(path.iterdir()) if one.suffix in endings), "")
