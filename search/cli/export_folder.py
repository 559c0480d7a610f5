"""Writes one model as a folder that stands alone: recipe, weights, adapter, artifact, card."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, cast

from jinja2 import Environment, PackageLoader, StrictUndefined

from objectives import Evaluation, TrainedStudent, Workbench
from objectives.runtimes import PixelInput, PixelKind, runtime_named
from search.cli.recipe import Recipe
from spaces import ANY_LAYOUT, BASE_WEIGHTS, STAGES, InputError, Network
from studies import made_folders

CONFIG, WEIGHTS, METRICS, CARD, COMPARISON = (
    "config.toml",
    "student.safetensors",
    "metrics.json",
    "README.md",
    "comparison.json",
)
_LEAVES = {name: leaf for stage in STAGES.values() for name, leaf in stage.leaves.items()}
"""Folders that stages leave beside the weights."""
_OURS = (CONFIG, WEIGHTS, METRICS, CARD, COMPARISON, "model.*", "seed-*", *_LEAVES)
"""All that an export or a retrained model has in its folder."""


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Give a folder that takes the place of `out` when the block ends well.

    A folder of an earlier export is replaced, anything else is left alone. Raises InputError when
    `out` is something else or cannot be written.
    """
    if (out.exists() or out.is_symlink()) and not _is_ours(out):
        raise InputError(f"{out} is there and is no earlier export: choose another --out")
    with made_folders(out.absolute().parent, hint="--out names another"):
        aside = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-"))
        before = aside.with_name(f"{aside.name}-before")
        try:
            yield aside
            aside.chmod(0o755)
            if out.exists():
                out.rename(before)
            aside.rename(out)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
            shutil.rmtree(before, ignore_errors=True)


def _is_ours(out: Path) -> bool:
    """Return whether `out` may be replaced: a folder, empty or of an earlier export, not a link."""
    if not out.is_dir() or out.is_symlink() or Path.cwd().is_relative_to(out.resolve()):
        return False
    names = [path.name for path in out.iterdir()]
    ours = all(any(fnmatch(name, pattern) for pattern in _OURS) for name in names)
    return ours and (not names or CARD in names)


def write_model(
    folder: Path,
    workbench: Workbench,
    recipe: Recipe,
    student: TrainedStudent,
    facts: Mapping[str, Any],
    pixels: PixelKind | None = None,
) -> dict[str, Any]:
    """Write the model of `recipe` into `folder` and return its metrics.

    facts: what the card and metrics.json say beyond the evaluation: plain JSON values. pixels: what
    the artifact takes in place of normalised images; it is a few hundred bytes more than was
    evaluated.
    """
    artifact = folder / workbench.runtime.file_name
    network = (
        workbench.setup.teacher.network if recipe.chain is None else recipe.chain.student.deployed
    )
    validation = workbench.evaluate(student, network, recipe.scheme, "validation", keep=artifact)
    test = workbench.evaluate(student, network, recipe.scheme, "test")
    data = workbench.data
    if pixels is not None:
        names, size = tuple(data.class_names), network.image_size
        takes = PixelInput(pixels, data.mean, data.std, names, size)
        workbench.runtime.take_pixels(artifact, takes)
    (folder / CONFIG).write_text(recipe.to_toml(), "utf-8")
    shutil.copyfile(student.weights, folder / WEIGHTS)
    for name, left in student.leaves.items():
        shutil.copytree(left, folder / name)
        if name in student.bases and not (folder / name / BASE_WEIGHTS).exists():
            shutil.copyfile(student.bases[name], folder / name / BASE_WEIGHTS)
    metrics = {
        "network": network.key,
        "scheme": recipe.scheme.name,
        "input": pixels or "normalised",
        f"{_seen_as(recipe)}_validation_accuracy": student.accuracy,
        "validation": _figures(validation),
        "test": _figures(test),
        **facts,
    }
    (folder / METRICS).write_text(json.dumps(metrics, indent=2) + "\n", "utf-8")
    card = _environment().get_template("card.md.j2")
    (folder / CARD).write_text(
        card.render(
            recipe=recipe,
            metrics=metrics,
            files=sorted(path.name for path in folder.iterdir()),
            artifact=artifact.name,
            runtime=workbench.runtime.name,
            left={name: _LEAVES[name].words for name in student.leaves},
            loading={name: _loading(name, network, data.classes) for name in student.leaves},
            network=network,
            mean=[round(value, 6) for value in data.mean],
            std=[round(value, 6) for value in data.std],
            classes=list(data.class_names),
            image_size=network.image_size,
        ),
        "utf-8",
    )
    return metrics


def _seen_as(recipe: Recipe) -> str:
    """Return how the network was seen when its training was scored, before it became a file."""
    layout = ANY_LAYOUT if recipe.chain is None else recipe.chain.student.files.layout
    return "float" if layout == ANY_LAYOUT else "rounded"


def pixel_kind(text: str | None, runtime: str) -> PixelKind | None:
    """Return what --pixels says; raises InputError for a kind that `runtime` cannot take."""
    if text is None:
        return None
    kinds = runtime_named(runtime).pixel_kinds
    if not kinds:
        raise InputError(f"{runtime} takes normalised images alone: leave --pixels out")
    if text not in kinds:
        raise InputError(f"--pixels must be {' or '.join(kinds)}, got {text!r}")
    return cast("PixelKind", text)


def _loading(name: str, network: Network, classes: int) -> str:
    """Return the code that loads what a stage left in the folder `name`; may be empty."""
    base = f"{name}/{BASE_WEIGHTS}"
    return _LEAVES[name].code.format(network=network, classes=classes, base=base)


def _figures(evaluation: Evaluation) -> dict[str, Any]:
    """Return an evaluation without its time, which no two exports share."""
    return {name: value for name, value in asdict(evaluation).items() if name != "seconds"}


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("search.cli"),
        autoescape=False,  # noqa: S701 - Markdown, of our own figures
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
