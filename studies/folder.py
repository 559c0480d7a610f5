"""Where a study's files lie."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from spaces import InputError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def check_name(name: str) -> None:
    """Raise InputError unless a study, and so a folder, can have that name."""
    if not _NAME.fullmatch(name):
        raise InputError(
            "name must be at most 100 letters, digits, dots, dashes and underscores, the first a "
            f"letter or a digit, got {name!r}"
        )


@dataclass(frozen=True)
class StudyFolder:
    """runs/NAME: everything one study writes; runs/cache: what studies share."""

    runs_dir: Path
    name: str

    def __post_init__(self) -> None:
        check_name(self.name)

    @property
    def path(self) -> Path:
        """The folder itself."""
        return self.runs_dir / self.name

    @property
    def database(self) -> Path:
        """The SQLite file, where the study is not elsewhere."""
        return self.path / "study.db"

    @property
    def artifacts(self) -> Path:
        """Files of trials, in Optuna's artifact store."""
        return self.path / "artifacts"

    @property
    def report(self) -> Path:
        """The report."""
        return self.path / "report"

    @property
    def layers(self) -> Path:
        """What reports found out of points layer by layer, a file a trial."""
        return self.path / "layers"

    @property
    def logs(self) -> Path:
        """What workers print beside their events."""
        return self.path / "logs"

    @property
    def cache(self) -> Path:
        """The stage cache, shared by all studies of `runs_dir`."""
        return self.runs_dir / "cache"

    @contextmanager
    def created(self) -> Iterator[None]:
        """Make the folders; a block that raises leaves none of them empty.

        Raises InputError where they cannot be written.
        """
        with made_folders(self.path, self.artifacts, self.cache, hint="--runs-dir names another"):
            yield


@contextmanager
def made_folders(*folders: Path, hint: str) -> Iterator[None]:
    """Make folders and their parents; when the block raises, take back those without a file.

    hint: what the user can do where they cannot be written, which raises InputError too.
    """
    made: list[Path] = []
    try:
        for folder in folders:
            for path in (*reversed(folder.parents), folder):
                if path.is_dir():
                    continue
                try:
                    path.mkdir(exist_ok=True)
                except FileExistsError as error:
                    raise InputError(
                        f"cannot make the folder {folder}: {path} is a file; {hint}"
                    ) from error
                except OSError as error:
                    raise _unwritable(folder, error, hint) from error
                made.append(path)
            try:
                with TemporaryFile(dir=folder):
                    pass
            except OSError as error:
                raise _unwritable(folder, error, hint) from error
        yield
    except BaseException:
        below = [each for path in made for each in path.rglob("*") if each.is_dir()]
        for path in sorted({*made, *below}, reverse=True):
            with suppress(OSError):  # Something lies there by now.
                path.rmdir()
        raise


def _unwritable(folder: Path, error: OSError, hint: str) -> InputError:
    return InputError(f"cannot write to the folder {folder}: {error.strerror}; {hint}")
