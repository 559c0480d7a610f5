"""Whether a study could begin at all, found out before anything is written."""

import filecmp
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from objectives.chain.artifacts import TEMPLATES, put_in_place
from objectives.chain.lessons import Lessons
from objectives.chain.scheme_checks import (
    check_calibration,
    check_rounding,
    check_schemes,
    check_sensitivity,
    idle_zeros,
)
from objectives.chain.teacher import try_given_weights
from objectives.data import Data, load_data
from objectives.measures import MEASURES
from objectives.models import (
    in_words,
    initialised_model,
    load_weights,
    place_and_words,
    save_weights,
    speed_up_small_maps,
)
from objectives.runtimes import runtime_named
from spaces import (
    WHOLE,
    InputError,
    LoadTeacher,
    Network,
    Stage,
    StudySetup,
    TeacherConfig,
    TrainTeacher,
    in_one_line,
    is_users_function,
)

Checked = TypeVar("Checked")

_UNEVEN = 3
"""Times as many images as the rarest class has that the most frequent one may have, unsaid."""
_TOLERANCE = 1e-3
"""Relative to the largest logit: what rounding explains."""


@dataclass(frozen=True)
class CheckedSetup:
    """A study all of whose networks do what is asked of them, but for the export."""

    setup: StudySetup
    networks: tuple[Network, ...]
    """That of the study's own teacher, and the students'."""
    schemes: tuple[str, ...]
    class_names: tuple[str, ...]
    test_images: int
    data: str
    """What the data are, in words."""

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def to_export(self) -> tuple[Network, ...]:
        """The networks of which an export says something: one a graph.

        Of an architecture that we build, all widths have the same one, pruned or not; a user's
        function may do with its width what it likes.
        """
        graphs: dict[object, Network] = {}
        for one in self.networks:
            width = one.width if is_users_function(one.architecture) else None
            graphs.setdefault(replace(one, width=width or 1.0, pruned=WHOLE), one)
        return tuple(graphs.values())

    @contextmanager
    def exported(self, cache_dir: Path) -> Iterator[Path]:
        """Export what tells whether the study can be; it is in the cache when the block ends well.

        The block is given another cache that has it already.

        Exports that the cache has are not made again, and nothing is written when one fails or
        the block raises. Raises InputError with every network that cannot be exported, or that a
        scheme of integers leaves in floats: the teacher too, which is quantized under every one.
        """
        runtime, templates = runtime_named(self.setup.runtime), cache_dir / TEMPLATES
        with TemporaryDirectory(prefix="distilfront-") as folder:
            aside = Path(folder) / TEMPLATES
            if templates.is_dir():
                # Hidden files are those that another process is writing.
                shutil.copytree(templates, aside, ignore=shutil.ignore_patterns(".*"))

            def export(network: Network) -> None:
                try:
                    with _silence():
                        template = runtime.template(network, self.classes, aside)
                except Exception as error:
                    words = in_one_line(error).removeprefix(f"{network.key} ")
                    raise InputError(words) from error
                check_rounding(template, self.schemes)

            _refuse(_faults(self.to_export, export))
            yield Path(folder)
            for made in aside.glob("*"):
                kept = templates / made.name
                if not (kept.exists() and filecmp.cmp(made, kept, shallow=False)):
                    put_in_place(made, kept)


@contextmanager
def _silence() -> Iterator[None]:
    """Let torch not print the graph, and warnings about it, when it cannot export a network."""
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)


def check_setup(
    setup: StudySetup,
    networks: Sequence[Network],
    schemes: Iterable[str],
    stages: Iterable[Stage] = (),
) -> CheckedSetup:
    """Build and run every network, the teachers' too, as training, scoring and the cache will.

    networks: the students', each of which is to be trained as each of `stages` says: by its method
    and its teacher, from its weights, with its adapter. Raises InputError when data or the runtime
    are missing, or with a line for each network, or each kind of fault that several share, that
    cannot be used.
    """
    schemes = tuple(schemes)
    check_schemes(setup, schemes)
    data = load_data(setup.data)
    check_calibration(data, schemes)
    classes, teachers = data.classes, setup.networks_of_teachers.values()
    trained = [each.network for each in teachers if isinstance(each.weights, TrainTeacher)]
    trained += networks
    all_networks = dict.fromkeys([*(each.network for each in teachers), *networks])
    faults = _faults(all_networks, lambda one: _try(one, classes, learns=one in trained))
    for teacher in teachers:
        if not any(teacher.network in ones for ones in faults.values()):
            _add(faults, _faults_of_weights(teacher, data))
    if not faults:
        check_sensitivity(setup, schemes, networks, classes)
        faults = _faults(networks, Lessons(setup, classes, tuple(stages)).check)
    _refuse(faults)
    words = "; ".join([data.described, *_unevenness(setup, data), *idle_zeros(networks, schemes)])
    exported = tuple(dict.fromkeys((setup.teacher.network, *networks)))
    names, test_images = data.class_names, data.images_in("test")
    return CheckedSetup(setup, exported, schemes, names, test_images, words)


def _add(faults: dict[str, list[Network]], more: dict[str, list[Network]]) -> None:
    for words, ones in more.items():
        faults.setdefault(words, []).extend(ones)


def _faults_of_weights(teacher: TeacherConfig, data: Data) -> dict[str, list[Network]]:
    """Return what is wrong with the weights that a teacher has already, as `_faults` does."""
    try:
        try_given_weights(teacher, data)
    except InputError as error:
        # What does not fit a network names it.
        return {str(error): [] if isinstance(teacher.weights, LoadTeacher) else [teacher.network]}
    return {}


def _unevenness(setup: StudySetup, data: Data) -> Iterator[str]:
    """Say that classes are uneven where nothing makes up for it."""
    weights = data.class_weights  # Raises where there are not as many as classes.
    if MEASURES[setup.measure].counts_classes_alike or weights is not None:
        return
    counts = data.class_counts("train")
    if counts.max() >= _UNEVEN * counts.min():
        yield (
            f"classes are uneven, {counts.min():,} to {counts.max():,} training images, and "
            'accuracy hardly sees the rare ones: [data] class_weights = "balanced", or '
            "balanced_accuracy or f1 first among the objectives, does"
        )


def _faults(those: Iterable[Checked], check: Callable[[Checked], None]) -> dict[str, list[Checked]]:
    """Return, by the words of the InputError that `check` raised, those it raised it for."""
    found: dict[str, list[Checked]] = {}
    for one in those:
        try:
            check(one)
        except InputError as error:
            found.setdefault(str(error), []).append(one)
    return found


def _refuse(faults: dict[str, list[Network]]) -> None:
    lines = [
        ": ".join([*([", ".join(one.key for one in ones)] if ones else []), words])
        for words, ones in faults.items()
    ]
    if len(lines) > 1:
        lines = [f"{len(lines)} faults:", *lines]
    if lines:
        raise InputError("\n  ".join(lines))


def _try(network: Network, classes: int, *, learns: bool) -> None:
    """Raise InputError unless the network trains, scores, and is what its saved weights say."""
    model = initialised_model(network, classes, seed=0)
    speed_up_small_maps(model)
    model.to(memory_format=torch.channels_last)
    size = network.image_size
    with torch.random.fork_rng(devices=[]):  # Dropout draws.
        torch.manual_seed(0)
        images = torch.randn(2, 3, size, size).contiguous(memory_format=torch.channels_last)
        logits = _logits(model.train(), images, classes)
        if learns:
            _learn(logits)
        with torch.inference_mode():
            expected = _logits(model.eval(), images, classes)
            _save_and_load(model, network, classes, images, expected)


def _logits(model: nn.Module, images: Tensor, classes: int) -> Tensor:
    """Return the network's logits on two images; raises InputError when they are none."""
    size = images.shape[-1]
    try:
        output: Tensor = model(images)
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        first = next((each for each in model.modules() if isinstance(each, nn.Conv2d)), None)
        if first is not None and first.in_channels == 1:
            raise InputError(
                "takes images of 1 channel, and all images here have 3, grey ones too: let its "
                "first convolution take 3"
            ) from error
        raise InputError(f"cannot take images of {size} px: {place_and_words(error)}") from error
    fits = isinstance(output, Tensor) and output.dtype == torch.float32
    if not fits or output.shape != (2, classes):
        mode = "train()" if model.training else "eval()"
        raise InputError(
            f"gives {in_words(output)} for two images in {mode}, expected float32 [2, {classes}]: "
            f"the data has {classes} classes"
        )
    return output


def _learn(logits: Tensor) -> None:
    if not logits.requires_grad:
        raise InputError(
            "cannot be trained: what it gives depends on no weight with requires_grad = True"
        )
    try:
        cross_entropy(logits, torch.tensor([0, 1])).backward()  # type: ignore[no-untyped-call]
    except Exception as error:
        raise InputError(f"cannot be trained: {place_and_words(error)}") from error


def _save_and_load(
    model: nn.Module, network: Network, classes: int, images: Tensor, expected: Tensor
) -> None:
    """Raise InputError unless saved weights make a fresh network compute the same."""
    again = initialised_model(network, classes, seed=1)
    if again is model:
        raise InputError("is the same network every time: it must be a new one at every call")
    with TemporaryDirectory(prefix="distilfront-") as folder:
        path = Path(folder) / "weights.safetensors"
        try:
            save_weights(model, path)
            load_weights(again, path, network.key)
        except InputError as error:
            words = str(error).removeprefix(f"weights {path} ")
            raise InputError(f"cannot be loaded from its own weights: they {words}") from error
        except Exception as error:
            raise InputError(f"its weights cannot be saved: {place_and_words(error)}") from error
    got = again.eval()(images)
    if not float((got - expected).abs().max()) <= _TOLERANCE * float(expected.abs().max()):
        raise InputError(
            "gives other logits once its weights are saved and loaded: what it computes is random "
            "in eval(), or rests on a tensor that is neither a parameter nor a buffer"
        )
