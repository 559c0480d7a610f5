"""Checkpoints and images as everybody has them, and the same files damaged at random."""

import io
import random
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image, features
from safetensors.torch import save
from torch import Tensor

Files = dict[str, bytes]
"""Contents by file name."""

_BEGINNING = 600
"""Bytes in which headers lie: half of all changes are made there."""
_EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1)
_STORAGES = (b"FloatStorage", b"HalfStorage", b"LongStorage", b"ByteStorage", b"QInt8Storage")
_STORAGES += (b"ComplexFloatStorage", b"DoubleStorage", b"BoolStorage", b"UntypedStorage")
_OPCODES = b"(.0]}c)QRb\x85\x86\x87tsuaeqrhjKJMGX\x88\x89N\x81\x8a"


def checkpoints(state: dict[str, Tensor], network: object, marker: Path) -> Files:
    """Return `state` in every form that is read, and forms that are not.

    network: what a script pickled whole. marker: a file that one of them makes if it is executed.
    """
    trained = {
        "model": state,
        "optimizer": {"state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.ones(4)}}},
        "epoch": 3,
        "note": ["a", ("b", 1.5, None, True)],
    }
    name = next(name for name, value in state.items() if value.ndim == 4)
    half = {key: value.half() if value.ndim else value for key, value in state.items()}
    held = {
        "state": state,
        "trained": trained,
        "half": half,
        "odd": {**state, name: odd_tensors(state[name])["sparse_coo"]},
        "network": network,
        "executed": {**state, "args": _Executed(marker)},
    }
    files = {}
    for key, value in held.items():
        for ending, zipped in ((".pth", True), (".old.pth", False)):
            buffer = io.BytesIO()
            with _numbered_storages():
                torch.save(value, buffer, _use_new_zipfile_serialization=zipped)
            files[key + ending] = buffer.getvalue()
    return {**files, "a.safetensors": save(state), "half.safetensors": save(half)}


@contextmanager
def _numbered_storages() -> Iterator[None]:
    """Let the older form name storages by numbers: their addresses are others in every run."""
    numbers: dict[int, int] = {}
    address = torch.UntypedStorage._cdata.__get__
    number = property(lambda it: 10**14 + numbers.setdefault(address(it), len(numbers)))
    with mock.patch.object(torch.UntypedStorage, "_cdata", number):
        yield


def odd_tensors(value: Tensor) -> dict[str, Tensor]:
    """Return tensors of the shape of `value` that are no weights, by their kind in words."""
    with warnings.catch_warnings(action="ignore"):  # Of kinds that are still to be, or no longer.
        nested = torch.nested.nested_tensor(list(value))
        quantized = torch.quantize_per_tensor(value, 0.1, 0, torch.qint8)
    return {
        "sparse_coo": value.to_sparse(),
        "qint8": quantized,
        "no values (meta)": value.to("meta"),
        "nested": nested,
        "complex64": value.to(torch.complex64),
        "float8_e4m3fn": value.to(torch.float8_e4m3fn),
        "int8": value.to(torch.int8),
    }


class _Executed:
    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, (str(self._marker), "w")


def images() -> Files:
    """Return small images of every format that is taken, of many modes."""
    draw = np.random.default_rng(0)
    levels = draw.integers(0, 256, (24, 20, 3), dtype=np.uint8)
    colours = Image.fromarray(levels)
    grey = colours.convert("L")
    clear = colours.convert("RGBA")
    clear.putalpha(grey)
    inks, palette = colours.convert("CMYK"), colours.quantize(16)
    deep = Image.fromarray(draw.integers(0, 2**16, (24, 20), dtype=np.uint16))
    floats = Image.fromarray(draw.random((24, 20), dtype=np.float32))
    exif = Image.Exif()
    exif[0x0112] = 6
    frames = {"save_all": True, "append_images": [colours.rotate(90), colours.rotate(180)]}
    wanted = [
        *((each, ".png", {}) for each in (colours, grey, clear, palette, deep, grey.convert("1"))),
        (colours, ".png", {**frames, "exif": exif}),
        *((each, ".jpg", {}) for each in (colours, grey, inks)),
        (colours, ".jpg", {"progressive": True, "exif": exif}),
        *((each, ".ppm", {}) for each in (colours, grey, deep, grey.convert("1"))),
        *((each, ".bmp", {}) for each in (colours, palette, grey.convert("1"))),
        *((palette, ".gif", options) for options in ({}, {"transparency": 0}, frames)),
        *((each, ".tif", {}) for each in (colours, deep, floats, inks, palette, clear)),
        *((colours, ".tif", {"compression": f"tiff_{how}"}) for how in ("lzw", "adobe_deflate")),
        (grey.convert("1"), ".tif", {"compression": "group4"}),
        (colours, ".tif", {**frames, "compression": "jpeg"}),
        *((clear, ".webp", options) for options in ({}, {"lossless": True}, frames)),
        *([(colours, ".jp2", {})] if features.check("jpg_2000") else []),
        *([(colours, ".avif", {})] if features.check("avif") else []),
    ]
    files = {"plain.pgm": b"P2 2 2 255 0 9 99 255\n", "plain.pbm": b"P1 2 2 0 1 1 0\n"}
    for number, (image, ending, options) in enumerate(wanted):
        buffer = io.BytesIO()
        image.save(buffer, Image.registered_extensions()[ending], **options)
        files[f"{number}{ending}"] = buffer.getvalue()
    return files


def mutated(files: Files, draw: random.Random) -> tuple[str, bytes]:
    """Return a name and the content of one of `files`, changed in one to sixteen places."""
    name = draw.choice(sorted(files))
    content, others = files[name], [files[other] for other in sorted(files)]
    if content.startswith(b"PK") and draw.random() < 0.6:
        return name, _other_members(content, draw)
    return name, _changed(content, draw, others)


def _changed(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    for _ in range(draw.choice((1, 1, 2, 4, 16))):
        content = draw.choice(_CHANGES)(content, draw)
    if draw.random() < 0.05:  # The header of another file.
        length = draw.randint(1, 64)
        content = draw.choice(others)[:length] + content[length:]
    return content


def _place(content: bytes, draw: random.Random) -> int:
    return draw.randrange(1 + min(len(content), draw.choice((_BEGINNING, len(content)))))


def _written(content: bytes, at: int, new: bytes) -> bytes:
    return content[:at] + new + content[at + len(new) :]


def _flip(content: bytes, draw: random.Random) -> bytes:
    at, bit = _place(content, draw), 1 << draw.randrange(8)
    return _written(content, at, bytes(byte ^ bit for byte in content[at : at + 1]))


def _overwrite(content: bytes, draw: random.Random) -> bytes:
    return _written(content, _place(content, draw), draw.randbytes(draw.choice((1, 2, 4, 32))))


def _claim(content: bytes, draw: random.Random) -> bytes:
    size, order = draw.choice((1, 2, 4, 8)), draw.choice(("little", "big"))
    number = (draw.choice(_EXTREMES) % 256**size).to_bytes(size, order)
    return _written(content, _place(content, draw), number)


def _cut(content: bytes, draw: random.Random) -> bytes:
    return content[: draw.randrange(len(content) + 1)] if draw.random() < 0.3 else content[:-1]


def _insert(content: bytes, draw: random.Random) -> bytes:
    at = _place(content, draw)
    return content[:at] + draw.randbytes(draw.choice((1, 3, 64))) + content[at:]


def _remove(content: bytes, draw: random.Random) -> bytes:
    at = _place(content, draw)
    return content[:at] + content[at + draw.choice((1, 3, 64)) :]


def _double(content: bytes, draw: random.Random) -> bytes:
    at, length = _place(content, draw), draw.choice((1, 8, 200))
    return content[: at + length] + content[at:]


def _opcode(content: bytes, draw: random.Random) -> bytes:
    return _written(content, _place(content, draw), bytes([draw.choice(_OPCODES)]))


def _number(content: bytes, draw: random.Random) -> bytes:
    """Change a written number: a header's size in text, a shape, an offset, a length."""
    places = [at for at, byte in enumerate(content[:20_000]) if byte in b"0123456789"]
    if not places:
        return content
    return _written(content, draw.choice(places), str(draw.choice((0, 9, 10**9))).encode())


_CHANGES = (_flip, _flip, _overwrite, _claim, _claim, _cut, _insert, _remove, _double, _number)


def _other_members(content: bytes, draw: random.Random) -> bytes:
    """Return a valid zip archive with other members."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    for _ in range(draw.choice((1, 1, 3))):
        number = draw.randrange(len(members)) if draw.random() < 0.3 else 0
        name, held = members[number]
        match draw.randrange(9):
            case 0 if len(members) > 1:
                del members[number]
            case 1:
                members[number] = (draw.choice(members)[0] + draw.choice(("", "x")), held)
            case 2:
                members[number] = (name, draw.choice(members)[1])
            case 3:
                members[number] = (name, held * draw.choice((0, 2)))
            case 4:
                members = [(each.replace("little", "big"), what) for each, what in members]
                members = [(each, b"big" if what == b"little" else what) for each, what in members]
            case 5:
                old = draw.choice([each for each in _STORAGES if each in held] or [b"torch"])
                new, count = draw.choice(_STORAGES), draw.choice((1, -1))
                members[number] = (name, held.replace(old, new, count))
            case _:
                for _ in range(draw.choice((1, 2, 8))):
                    held = draw.choice((*_CHANGES, _opcode, _opcode))(held, draw)
                members[number] = (name, held)
    buffer = io.BytesIO()
    packing = draw.choice((zipfile.ZIP_STORED,) * 9 + (zipfile.ZIP_DEFLATED,))
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(buffer, "w", packing) as archive:
        for name, held in members:
            archive.writestr(name, held)
    return buffer.getvalue()
