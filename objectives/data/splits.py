"""Which images train, which validate and which test."""

import numpy as np
import torch
from numpy.typing import NDArray

from objectives.data.images import Images, ImageSet, SplitName
from objectives.seeding import generator
from spaces import DataConfig, InputError

Part = tuple[Images, NDArray[np.int64]]
"""Images, and the indices of those that are taken."""
Sources = dict[SplitName, SplitName]
"""From a split that the set lacks to the one that it is a share of."""

_MOST_NAMED = 20
_LEAST_OF_A_CLASS: dict[SplitName, int] = {"train": 2, "validation": 1, "test": 1}
"""Images, on average over the classes, that a limit leaves: of fewer nothing can be learned, or
told."""


def split_images(found: ImageSet, config: DataConfig) -> tuple[dict[SplitName, Part], list[str]]:
    """Return what each split takes of the set, and what the user should know of that, in words.

    A split that the set lacks is a share of another, as `config.held_back_from` says. Raises
    InputError when a class has fewer images than the splits need.
    """
    splits: dict[SplitName, Images | None] = {
        "train": found.train,
        "validation": found.validation,
        "test": found.test,
    }
    own = {name: images for name, images in splits.items() if images is not None}
    sources = _sources(own, config)
    _check_enough(own, sources)
    taken = {name: np.arange(len(images.labels)) for name, images in own.items()}
    for name, source in sources.items():
        fraction, labels = _fraction(name, config), own[source].labels
        taken[source], taken[name] = _held_back(
            taken[source], labels, fraction, config.split_seed, name
        )
    parts = {
        name: _limited(own[sources.get(name, name)], taken[name], config, name) for name in splits
    }
    return parts, [*_sources_in_words(sources, config), *_gaps_in_words(parts)]


def _sources(own: dict[SplitName, Images], config: DataConfig) -> Sources:
    unseen: list[SplitName] = [name for name in own if name != "train"]
    source = unseen[0] if unseen and config.held_back_from == "unseen" else "train"
    order: tuple[SplitName, ...] = ("test", "validation")
    return {name: source for name in order if name not in own}


def _fraction(name: SplitName, config: DataConfig) -> float:
    return config.test_fraction if name == "test" else config.validation_fraction


def _check_enough(own: dict[SplitName, Images], sources: Sources) -> None:
    """Refuse classes that cannot give an image to each split that is taken from theirs."""
    faults = []
    for source, images in own.items():
        splits = [source, *(name for name in sources if sources[name] == source)]
        counts = np.bincount(images.labels, minlength=len(images.classes)).tolist()
        few = [
            f"{name} ({count})"
            for name, count in zip(images.classes, counts, strict=True)
            if count < len(splits)
        ]
        if few:
            faults.append(
                f"the splits {', '.join(splits)} need {len(splits)} images of every class, too few "
                f"are there of {_some(few)}"
            )
    if faults:
        raise InputError("; ".join(faults))


def _limited(
    images: Images, indices: NDArray[np.int64], config: DataConfig, name: SplitName
) -> Part:
    limits = {
        "train": config.train_limit,
        "validation": config.validation_limit,
        "test": config.test_limit,
    }
    limit = limits[name]
    if limit is None or limit >= len(indices):
        return images, indices
    labels = images.labels[indices]
    classes, each = len(np.unique(labels)), _LEAST_OF_A_CLASS[name]
    if limit < classes * each:
        raise InputError(
            f"data.{name}_limit must be at least {classes * each:,}, {each} for each of "
            f"{classes:,} classes, got {limit:,}"
        )
    return images, stratified(indices, labels, limit, config.split_seed, name)


def _sources_in_words(sources: Sources, config: DataConfig) -> list[str]:
    """Say what a loaded teacher is judged on."""
    if config.held_back_from != "unseen":
        return []
    if "train" in sources.values():
        words = (
            f"{' and '.join(sorted(sources))} are of the images that the teacher may have been "
            "trained on: [data] validation = PATH names others"
        )
        return [words]
    return [
        f"{name} is {100 * _fraction(name, config):.0f} % of the {source} images, which training "
        "does not see"
        for name, source in sources.items()
    ]


def _gaps_in_words(parts: dict[SplitName, Part]) -> list[str]:
    """Name the classes of which a split has no image."""
    said = []
    for name, (images, indices) in parts.items():
        there = set(images.labels[indices].tolist())
        missing = [each for label, each in enumerate(images.classes) if label not in there]
        if missing:
            said.append(f"no {name} image of class {_some(missing)}")
    return said


def _some(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _held_back(
    pool: NDArray[np.int64], labels: NDArray[np.int64], fraction: float, seed: int, purpose: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split `pool` into what stays and the share `fraction`, both ascending."""
    wanted = round(fraction * len(pool))
    taken = stratified(pool, labels[pool], wanted, seed, purpose)
    return np.setdiff1d(pool, taken), taken


def stratified(
    indices: NDArray[np.int64], labels: NDArray[np.int64], wanted: int, seed: int, purpose: str
) -> NDArray[np.int64]:
    """Return `wanted` of `indices`, ascending, every class by its share (largest remainders).

    scikit-learn's splits refuse a class with one member, and their draws are not promised to stay
    the same between versions; a study's split must.
    """
    classes, counts = np.unique(labels, return_counts=True)
    if wanted < 1 or wanted > len(indices):
        raise InputError(f"the {purpose} split cannot take {wanted} of {len(indices)} images")
    exact = counts * (wanted / len(indices))
    shares = np.floor(exact).astype(np.int64)
    remainders = np.argsort(shares - exact, kind="stable")
    shares[remainders[: wanted - shares.sum()]] += 1
    draws = generator("split", purpose, seed)
    taken = [
        members[torch.randperm(len(members), generator=draws).numpy()[:share]]
        for members, share in zip(
            (indices[labels == label] for label in classes), shares, strict=True
        )
    ]
    return np.sort(np.concatenate(taken))
