"""Whether a study can have its schemes, before any training."""

from collections.abc import Iterable, Iterator, Sequence

from objectives.data import Data
from objectives.models import initialised_model
from objectives.runtimes import Template, runtime_named
from spaces import (
    BitsByLayer,
    InputError,
    Layout,
    Network,
    Scheme,
    StudySetup,
    scheme_named,
)


def check_schemes(setup: StudySetup, schemes: Sequence[str]) -> None:
    """Raise InputError where the runtime is missing or cannot write one, or one lacks its table."""
    runtime = runtime_named(setup.runtime)
    if beyond := sorted(name for name in schemes if name not in runtime.schemes()):
        raise InputError(
            f"{runtime.name} cannot write {', '.join(beyond)}: quantize.scheme can have "
            f"{', '.join(runtime.schemes())}"
        )
    by_layer = [one for one in schemes if isinstance(scheme_named(one).layout, BitsByLayer)]
    if by_layer and not setup.sensitivity:
        raise InputError(
            f"{', '.join(by_layer)} needs a table [sensitivity] in the study file: "
            "python -m search.sensitivity prints one, of a student that was trained"
        )


def check_sensitivity(
    setup: StudySetup, schemes: Sequence[str], networks: Sequence[Network], classes: int
) -> None:
    """Raise InputError where bits by layer are decided by layers that no network has."""
    if not any(isinstance(scheme_named(one).layout, BitsByLayer) for one in schemes):
        return
    told = {each.layer for each in setup.sensitivity}
    for network in networks:
        names = initialised_model(network, classes, seed=0).state_dict().keys()
        if not told & names:
            raise InputError(
                f"[sensitivity] has no layer of {network.key}, but {', '.join(sorted(told)[:2])}: "
                "measure it on a student of such a network (python -m search.sensitivity)"
            )


def check_rounding(template: Template, schemes: Sequence[str]) -> None:
    """Raise InputError where a scheme of integers would leave every layer of a network in floats.

    Its file would be the fp32 one under another name.
    """
    idle = [one for one in schemes if _of_integers(one) and not template.rounds(_layout(one))]
    if idle:
        others = ", ".join(one for one in schemes if one not in idle)
        raise InputError(
            f"no layer of this network becomes integers under {', '.join(idle)}: quantize.scheme "
            + (f"can have {others}" if others else "can have fp32 and fp16")
        )


def idle_zeros(networks: Iterable[Network], schemes: Iterable[str]) -> Iterator[str]:
    """Say that weights become zero where no file is smaller for it."""
    pruned = any(network.pruned.weights for network in networks)
    if pruned and not any(_layout(name).is_sparse for name in schemes):
        yield (
            "weights that are zero change neither bytes nor latency under these schemes: one as "
            "int8_sparse leaves them out"
        )


def _layout(scheme: str) -> Layout:
    return scheme_named(scheme).layout


def _of_integers(scheme: str) -> bool:
    return _layout(scheme).weight_bits <= 8


def check_calibration(data: Data, schemes: Sequence[str]) -> None:
    """Raise InputError where a scheme looks at calibration images and they show one class."""
    sees = [one for one in schemes if _looks_at_images(scheme_named(one))]
    if sees and data.calibration_classes < 2:
        raise InputError(
            f"{sees[0]} looks at calibration images, and {data.config.calibration_images} of them "
            f"show one class of {data.classes}: raise data.calibration_images"
        )


def _looks_at_images(scheme: Scheme) -> bool:
    calibration = scheme.calibration
    on_grids = scheme.layout.rounds_activations
    return on_grids or calibration.looks_at_layers or calibration.equalized
