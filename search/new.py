"""`python -m search.new`: write a study file for a folder of images, and perhaps a checkpoint."""

from pathlib import Path
from typing import Annotated

import typer

from search.cli import make_app, run_app, usable, with_examples

_LARGEST, _SMALLEST, _STEP = 224, 32, 8
_LOOKS = 200
"""Images whose size is looked at."""


@with_examples(
    "photos --out study.toml",
    "photos teacher.pth --out study.toml",
)
def new(
    images: Annotated[
        Path, typer.Argument(help="Folder with a folder of images per class.", callback=usable)
    ],
    checkpoint: Annotated[
        Path | None,
        typer.Argument(
            help="Weights of the teacher: safetensors or a state dict.", callback=usable
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", help="Study file to write.", callback=usable)
    ] = Path("study.toml"),
    architecture: Annotated[
        str | None,
        typer.Option(
            "--architecture",
            help="Of the teacher; default: what the weights fit, or resnet18.",
            metavar="NAME",
        ),
    ] = None,
) -> None:
    """Look at a folder of images and a checkpoint, and write a commented study file for them."""
    import tomllib

    from objectives import check_setup, load_data, recognised
    from search.cli import allow_modules, command_console
    from spaces import DataConfig, InputError, Network, first_study, stem_for
    from studies import parse_study

    if out.exists() or out.is_symlink():
        raise InputError(f"{out} is there: choose another --out, or remove it")
    if out.suffix != ".toml":
        raise InputError(f"a study file ends in .toml, got --out {out}")
    if not out.absolute().parent.is_dir():
        raise InputError(f"there is no folder {out.absolute().parent} to write {out.name} into")
    size, sizes = _image_size(images)
    data = load_data(DataConfig(f"imagefolder:{images.absolute()}", image_size=size))
    count = sum(data.images_in(split) for split in ("train", "validation", "test"))
    found = f"{data.classes} classes, {count} images"
    network = Network("resnet18" if architecture is None else architecture, stem=stem_for(size))
    if checkpoint is not None and architecture is None:
        network = recognised(checkpoint, data.classes)
    text = first_study(
        _name(out),
        data.config.name,
        size,
        network,
        None if checkpoint is None else str(checkpoint.absolute()),
        found=found,
        sizes=sizes,
    )
    study = parse_study(tomllib.loads(text), str(out))
    # Whoever types a module's name trusts it.
    allow_modules(study.users_functions, (), "--architecture", trusted=True)
    space = study.search_space()
    check_setup(study.setup(), space.networks, space.schemes, space.tried)
    try:
        out.write_text(text, "utf-8")
    except OSError as error:
        raise InputError(f"cannot write {out}: {error.strerror}; --out names another") from error
    command_console().print(
        f"{found}, teacher {network.in_words} → {out}; "
        f"next: python -m search.run --study {out} --dry-run",
        highlight=False,
    )


def _image_size(folder: Path) -> tuple[int, str]:
    """Return the side at which images are held, and in words the sizes that they have."""
    from statistics import median

    from objectives import shorter_sides

    sides = shorter_sides(folder, _LOOKS)
    if not sides:
        return _LARGEST, "none could be read"
    usual = round(median(sides) / _STEP) * _STEP
    size = max(_SMALLEST, min(_LARGEST, usual))
    return size, f"their shorter sides are {min(sides)} to {max(sides)}"


def _name(out: Path) -> str:
    """Return the file's name as a study's: it names a folder too."""
    kept = "".join(each if each.isascii() and each.isalnum() else "_" for each in out.stem)
    return kept.strip("_") or "study"


if __name__ == "__main__":
    run_app(make_app(new))
