"""How a process computes: threads, and the same bits every time."""

import torch
from threadpoolctl import threadpool_limits

from spaces import InputError, StudySetup


def settle_torch(setup: StudySetup) -> None:
    """Give this process the study's threads and device; raises InputError without that device."""
    torch.set_num_threads(setup.threads)
    # NumPy's and SciPy's too: beside another worker's training, a small factorization on threads
    # that wait for each other takes many times as long as on one.
    threadpool_limits(limits=setup.threads, user_api="blas")
    if setup.device == "cuda":
        if not torch.cuda.is_available():
            raise InputError("device cuda is asked for, but torch finds none: use device cpu")
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False
