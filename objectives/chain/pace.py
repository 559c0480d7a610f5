"""How long training takes on this machine, roughly: a few steps of each network, timed."""

import time

import torch
from torch.nn.functional import cross_entropy

from objectives.models import initialised_model, speed_up_small_maps
from spaces import Network, StudySetup

_STEPS = 3


def seconds_an_image(setup: StudySetup, network: Network, batch_size: int, classes: int) -> float:
    """Return the seconds that one image of a training step takes: forward, backward, step.

    The fastest of a few steps on random images, after one that warms up.
    """
    torch.set_num_threads(setup.threads)
    model = initialised_model(network, classes, seed=0)
    speed_up_small_maps(model)
    model.to(setup.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9)
    size = network.image_size
    images = torch.randn(batch_size, 3, size, size, device=setup.device)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.zeros(batch_size, dtype=torch.int64, device=setup.device)
    took = []
    for _ in range(1 + _STEPS):
        begun = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss = cross_entropy(model(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        loss.item()  # Waits for a GPU.
        took.append(time.perf_counter() - begun)
    return min(took[1:]) / batch_size
