"""A sealed folder as one file, to be sent elsewhere and verified where it arrives. No torch."""

import zipfile
from pathlib import Path

from objectives.sealed_folder import MANIFEST, DamagedError, open_sealed
from objectives.users_files import decoding
from spaces import InputError


def pack(folder: Path, archive: Path) -> None:
    """Write the sealed `folder` into an uncompressed zip, in which all names begin with its own.

    Raises DamagedError or OSError when it is not whole, or gone.
    """
    sealed = open_sealed(folder)
    if sealed is None:
        raise DamagedError(f"{folder} is gone")
    with zipfile.ZipFile(archive, "w", strict_timestamps=False) as packed:
        for name in (MANIFEST, *sealed.checksums):
            packed.write(folder / name, f"{folder.name}/{name}")


def unpack(archive: Path, into: Path) -> Path | None:
    """Return the sealed folder of `archive`, unpacked in `into` and verified.

    None when the archive is cut short or damaged, or holds anything else than one sealed folder.
    """
    try:
        with decoding():  # A damaged or hostile archive makes its reader raise anything.
            return _unpack(archive, into)
    except InputError:
        return None


def _unpack(archive: Path, into: Path) -> Path:
    with zipfile.ZipFile(archive) as packed:
        files = packed.infolist()
        if not all(_stays_inside(file.filename) for file in files):
            raise DamagedError("a name would leave the folder")
        # Nothing grows: a small archive must not fill the disk.
        if sum(file.file_size for file in files) > archive.stat().st_size:
            raise DamagedError("it holds more than it can")
        packed.extractall(into)
    names = {file.filename for file in files}
    folder = into / min(names).partition("/")[0]
    sealed = open_sealed(folder)
    if sealed is None or names != {
        f"{folder.name}/{name}" for name in (MANIFEST, *sealed.checksums)
    }:
        raise DamagedError("it is not one sealed folder")
    sealed.verify()
    return folder


def _stays_inside(name: str) -> bool:
    """Whether a name of an archive is below where it is unpacked, on every system."""
    parts = name.split("/")
    return not any(part in {"", ".", ".."} or set(part) & set("\\:") for part in parts)
