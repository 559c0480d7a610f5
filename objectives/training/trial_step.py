"""Whether a network can learn from another by a method, found out before any training."""

import torch

from objectives.data import Batch
from objectives.seeding import seeded
from objectives.training.ensemble import single
from objectives.training.float_accuracy import evaluating
from objectives.training.methods import Seen, Sized, training_method
from objectives.training.taps import tapping
from objectives.training.teacher_signal import AskedTeacher
from spaces import Method

_IMAGES = 4


def try_method(settings: Method, student: Sized, teacher: Sized) -> None:
    """Compute the loss of a batch of noise; neither network changes, nor does the global RNG.

    Raises InputError where the method cannot compare the two.
    """
    method = training_method(settings)
    network, size = student
    method.take_networks(lambda: student, lambda: single(teacher, settings.kind))
    taps = method.student_taps(network, size)
    labels = torch.arange(_IMAGES) % 2
    with seeded("trial step"), evaluating(network), torch.no_grad():
        images = torch.randn(_IMAGES, 3, size, size)
        batch = Batch(images, labels, torch.arange(_IMAGES))
        told = None
        if settings.needs_teacher:
            told = AskedTeacher(*teacher, method)(batch, 1)
        with tapping(network, taps) as tapped:
            seen = Seen(network(images), tapped)
        method.prepare(seen, told, labels)
        method(seen, told, batch, 1)
