"""Folders that are whole or not there: written aside, checksummed, renamed into place. No torch."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spaces import digest

MANIFEST = "manifest.json"


class DamagedError(Exception):
    """A sealed folder is not what was sealed; the text says where."""


@dataclass(frozen=True)
class Sealed:
    """A folder whose manifest was read and whose files have their sealed sizes."""

    folder: Path
    notes: dict[str, Any]
    """Plain JSON values, as they were sealed."""
    checksums: dict[str, str]
    """SHA-256 by file name relative to the folder."""

    def verify(self) -> None:
        """Read every file; raises DamagedError when one is not what was sealed."""
        for name, expected in self.checksums.items():
            if _checksum(self.folder / name) != expected:
                raise DamagedError(f"{name} in {self.folder} does not have its checksum")


def open_sealed(folder: Path) -> Sealed | None:
    """Return the sealed folder, None when there is none; raises DamagedError.

    Only the manifest is read and files are weighed: fractions of a millisecond.
    """
    if not folder.is_dir():
        return None
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        body, seal = manifest["body"], manifest["seal"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedError(f"{folder} has no readable manifest: {error}") from error
    if digest(body) != seal:
        raise DamagedError(f"the manifest of {folder} does not have its checksum")
    for name, file in body["files"].items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != file["size_bytes"]:
            raise DamagedError(f"{name} in {folder} is missing or of another size")
    checksums = {name: file["sha256"] for name, file in body["files"].items()}
    return Sealed(folder, body["notes"], checksums)


@contextmanager
def writing_aside(folder: Path) -> Iterator[Path]:
    """Give an empty folder beside `folder`, gone afterwards unless `seal` moved it."""
    aside = folder.with_name(f"{folder.name}.aside")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def seal(aside: Path, folder: Path, notes: dict[str, Any]) -> None:
    """Write the manifest over all files in `aside` and rename it to `folder`, past power loss."""
    files = {}
    for path in sorted(path for path in aside.rglob("*") if path.is_file()):
        _sync(path)
        name = path.relative_to(aside).as_posix()
        files[name] = {"size_bytes": path.stat().st_size, "sha256": _checksum(path)}
    body = {"files": files, "notes": notes}
    manifest = aside / MANIFEST
    manifest.write_text(json.dumps({"body": body, "seal": digest(body)}))
    _sync(manifest)
    aside.rename(folder)
    _sync(folder.parent)


def size_bytes(folder: Path) -> int:
    """Return the bytes of all files below `folder`, 0 when it is gone."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # another process is deleting it
            continue
    return total


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() or os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
