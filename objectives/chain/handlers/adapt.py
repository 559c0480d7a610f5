"""Adapts its parent's weights by one of ADAPTERS, and merges what was learned."""

from torch import nn

from objectives.chain.cache import Draft
from objectives.chain.handlers.handler import WEIGHTS, StageWork, publishing
from objectives.models import save_weights
from objectives.seeding import seeded
from objectives.training import AfterEpoch, adaptation, train
from spaces import Adapt

ADAPTER = "adapter"
"""Folder with the adapter in peft's format."""


class AdaptHandler:
    """A StageHandler of Adapt."""

    code_version = 1
    libraries = ("peft",)

    def check(self, stage: Adapt, model: nn.Module, image_size: int) -> None:
        """Raise InputError unless the network can be adapted so."""
        adaptation(stage).check(model, image_size)

    def build(self, stage: Adapt, work: StageWork, draft: Draft, after: AfterEpoch) -> bool:
        """Train what is attached; publish the merged network, and an adapter if there is one."""
        adapter, model = adaptation(stage), work.network()
        with seeded("adapter", work.student.seed):
            adapted = adapter.attach(model, work.student.network.image_size)
        run = work.run(freeze_statistics=adapter.freezes_statistics)
        results = train(adapted, run, work.ground, draft, after)
        if results is None:
            return False
        with publishing(draft, results) as folder:
            if ADAPTER in stage.left:
                adapter.save(adapted, folder / ADAPTER)
            save_weights(adapter.merge(adapted), folder / WEIGHTS)
        return True
