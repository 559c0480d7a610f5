"""config.toml: everything that makes one model, in one file that needs no study."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import tomli_w

from spaces import (
    ChainConfig,
    InputError,
    Scheme,
    StudySetup,
    check_texts,
    digest,
    essence,
    from_dict,
    scheme_named,
    to_dict,
    without_none,
)

FORMAT = 2


@dataclass(frozen=True)
class Recipe:
    """Data, teacher and chain of one model, and where it came from."""

    setup: StudySetup
    chain: ChainConfig | None
    """None for the teacher itself, only quantized."""
    scheme: Scheme
    study: str
    trial: int
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Digests of what the model was made from (objectives.StudyInput), by name."""
    digest: str = ""
    """Of the trial's own recipe; empty where this is it, or where an older file does not say."""

    @property
    def is_the_trials(self) -> bool:
        """Whether nothing was changed since the trial: no setting, no seed, no epochs."""
        return self.digest in {"", self._own_digest}

    @property
    def _own_digest(self) -> str:
        student = None if self.chain is None else essence(self.chain.student)
        # Where modules are looked for is no part of what was made.
        setup = essence(replace(self.setup, modules=()))
        return digest(setup, student, self.scheme.name)

    def to_toml(self) -> str:
        """Return the recipe as TOML, the same text for the same recipe."""
        student = {} if self.chain is None else {"student": to_dict(self.chain.student)}
        inputs = {"inputs": dict(self.inputs)} if self.inputs else {}
        return tomli_w.dumps(
            without_none(
                {
                    "format": FORMAT,
                    "study": self.study,
                    "trial": self.trial,
                    "digest": self.digest or self._own_digest,
                    "scheme": self.scheme.name,
                    "setup": to_dict(self.setup),
                    **student,
                    **inputs,
                }
            )
        )


def read_recipe(path: Path) -> Recipe:
    """Return the recipe in `path`; raises InputError in one line when it is not one."""
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"cannot read the config {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # Digits and brackets can be too many to read.
        raise InputError(f"{path} is not valid TOML: {error}") from error
    check_texts(values, str(path))
    missing = sorted({"format", "study", "trial", "scheme", "setup"} - values.keys())
    if missing:
        raise InputError(
            f"{path} is not a config.toml of search.export: it lacks {', '.join(missing)}"
        )
    if values["format"] != FORMAT:
        raise InputError(f"{path} has format {values['format']}, and this program reads {FORMAT}")
    try:
        scheme = scheme_named(str(values["scheme"]))
        student = values.get("student")
        chain = None if student is None else {"student": student, "scheme": scheme.name}
        names = values.keys() & {"setup", "study", "trial", "inputs", "digest"}
        kept = {name: values[name] for name in names}
        return from_dict(Recipe, {**kept, "chain": chain, "scheme": scheme})
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
