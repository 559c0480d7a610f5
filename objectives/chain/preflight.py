"""Whether a study could begin at all, found out before anything is written."""

from collections.abc import Iterable, Sequence

import torch
from torch import nn

from objectives.chain.teacher import try_teacher
from objectives.data import load_data
from objectives.models import build_model
from objectives.runtimes import runtime_named
from spaces import InputError, LoadTeacher, Network, StudySetup


def check_setup(setup: StudySetup, networks: Sequence[Network], schemes: Iterable[str]) -> str:
    """Return what the data are, in words, when nothing is missing.

    Raises InputError when data, a network, the teacher's weights or the runtime are.
    networks: the students'. One of each architecture, stem and input size is built and run.
    """
    runtime = runtime_named(setup.runtime)
    if beyond := sorted(set(schemes) - set(runtime.schemes())):
        raise InputError(
            f"{runtime.name} cannot write {', '.join(beyond)}: quantize.scheme can have "
            f"{', '.join(runtime.schemes())}"
        )
    data = load_data(setup.data)
    classes = data.classes
    kinds = {(one.architecture, one.stem, one.image_size): one for one in networks}
    for network in kinds.values():
        _try(network, classes)
    teacher = _try(setup.teacher.network, classes)
    weights = setup.teacher.weights
    if isinstance(weights, LoadTeacher):
        try_teacher(teacher, setup.teacher.network, weights, data)
    return data.described


def _try(network: Network, classes: int) -> nn.Module:
    """Return the network, after it has seen one image of its size."""
    model = build_model(network, classes)
    size = network.image_size
    try:
        with torch.inference_mode():
            model.eval()(torch.zeros(1, 3, size, size))
    except Exception as error:
        words = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{network.key} cannot take images of {size} px: {words}") from error
    return model
