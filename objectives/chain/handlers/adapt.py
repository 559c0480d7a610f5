"""Trains adapters on its parent's frozen weights, and merges them."""

from objectives.chain.cache import Draft
from objectives.chain.handlers.handler import WEIGHTS, StageWork, publishing
from objectives.models import save_weights
from objectives.seeding import seeded
from objectives.training import AfterEpoch, attach_adapter, merge_adapter, save_adapter, train
from spaces import Adapt

ADAPTER = "adapter"
"""Folder with the adapter in peft's format."""


class AdaptHandler:
    """A StageHandler of Adapt."""

    code_version = 1
    libraries = ("peft",)

    def build(self, stage: Adapt, work: StageWork, draft: Draft, after: AfterEpoch) -> bool:
        """Train adapters; publish them and the merged network.

        Batch-norm statistics are frozen: they are no part of an adapter.
        """
        model = work.network()
        with seeded("adapter", work.student.seed):
            adapted = attach_adapter(model, stage)
        results = train(adapted, work.run(freeze_statistics=True), work.ground, draft, after)
        if results is None:
            return False
        with publishing(draft, results) as folder:
            save_adapter(adapted, folder / ADAPTER)
            save_weights(merge_adapter(adapted), folder / WEIGHTS)
        return True
