"""A file of tensors, read without running anything in it; what cannot be read gets its words."""

import io
import pickletools
import re
import zipfile
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from safetensors.torch import load_file

from objectives.users_files import decoding, kind_unless_file
from spaces import InputError, printable

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
_MOST_UNPACKED = 2**30
"""Bytes that an archive may hold where it is smaller itself: torch.save compresses nothing."""


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise InputError in one line that names `path` for whatever its content makes others raise.

    An InputError in the block is the end of such a line: `hold no state dict`.
    """
    try:
        with decoding():
            yield
    except InputError as error:
        raise InputError(f"weights {printable(path)} {_in_words(path, error)}") from error


def read_weight_file(path: Path) -> object:
    """Return what lies in `path`: tensors by name, or what `torch.load(weights_only=True)` gives.

    The content says which of the two it is, not the ending. Within `reading(path)` a file that is
    missing, empty, a pointer, one of several shards, damaged, or would run code, has its words.
    """
    if not path.exists():
        raise InputError("do not exist: expected a .safetensors or .pth file")
    if kind := kind_unless_file(path):
        inside = path.is_dir() and _in_folder(path)
        raise InputError(
            f"are {kind}: expected a .safetensors or .pth file"
            + (f", such as {inside} in it" if inside else "")
        )
    with path.open("rb") as file:
        beginning = file.read(64)
    if not beginning:
        raise InputError("are an empty file: was a copy or download cut off?")
    if _SHARD.search(path.name):
        raise InputError("are one of several shards: join them into one .safetensors file")
    for known, words in _BEGINNINGS.items():
        if beginning.lower().startswith(known.lower()):
            raise InputError(words)
    if beginning.startswith(_ZIP):
        _check_archive(path)
    if beginning[8:9] == b"{":  # After the length of a safetensors header.
        return load_file(path)
    try:
        with path.open("rb") as file:  # Opened here: torch would go by the ending of a path.
            return torch.load(file, map_location="cpu", weights_only=True)
    except BaseException:
        _let_torch_forget()
        raise


def _let_torch_forget() -> None:
    """Load something sound, whatever comes of it.

    torch keeps the sparse tensors of a file that it did not get through, and looks for their faults
    in the file that it loads next: a sound one would be called damaged.
    """
    sound = io.BytesIO()
    torch.save({}, sound)
    sound.seek(0)
    with suppress(Exception):
        torch.load(sound, weights_only=True)


def _in_words(path: Path, refusal: InputError) -> str:
    error = refusal.__cause__
    if error is None:
        return str(refusal)
    if isinstance(error, OSError) and error.errno:
        return f"cannot be read: {refusal}"
    if blocked := _BLOCKED.search(str(error)):
        return (
            f"hold more than tensors ({printable(blocked.group(1))}), and to load that "
            "can run code: if you trust the file, save its weights anew with two lines of "
            f"Python: held = torch.load({str(path)!r}, weights_only=False); "
            f"torch.save({_weights_alone(path)}, {_beside(path)!r})"
        )
    return (
        "are damaged or not a file of tensors (safetensors, or a state dict "
        f"that torch.load(weights_only=True) takes): {refusal}"
    )


def _weights_alone(path: Path) -> str:
    """Return the expression that leaves of `held`, what lies in `path`, only tensors by name."""
    pickled = b""
    with suppress(InputError), decoding():
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


def _check_archive(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    if any(member.filename.endswith("/constants.pkl") for member in members):
        raise InputError(
            "are a TorchScript archive: save its weights anew with two lines of "
            f"Python: held = torch.jit.load({str(path)!r}); "
            f"torch.save(held.state_dict(), {_beside(path)!r})"
        )
    unpacked, size = sum(member.file_size for member in members), path.stat().st_size
    if unpacked > max(size, _MOST_UNPACKED):
        raise InputError(
            f"are {size / 2**20:,.1f} MiB that say they hold {unpacked / 2**20:,.1f}: are they "
            "damaged? torch.save compresses nothing"
        )


def _beside(path: Path) -> str:
    return str(path.with_name(f"{path.name.partition('.')[0]}-weights.pth"))


def _in_folder(path: Path) -> str:
    endings = (".safetensors", ".pth", ".pt", ".ckpt", ".bin")
    found = (one.name for one in sorted(path.iterdir()) if one.suffix in endings)
    return printable(next(found, ""))
