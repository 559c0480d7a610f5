"""Adapts its parent's weights by one of ADAPTERS, and merges what was learned."""

from torch import nn

from objectives.chain.cache import Draft
from objectives.chain.handlers.handler import WEIGHTS, StageWork, publishing
from objectives.models import save_weights
from objectives.seeding import seeded
from objectives.training import AfterEpoch, adaptation, train
from spaces import BASE_WEIGHTS, INTEGER_LAYOUTS, Adapt

ADAPTER = "adapter"
"""Folder with the adapter in peft's format."""

_FEW_BITS = 2
"""Of a weight. With so few most weights are rounded to 0, and activations shrink with them: under
the statistics of before the network is at chance, and stays there."""


class AdaptHandler:
    """A StageHandler of Adapt."""

    code_version = 2
    libraries = ("peft", "torchao")

    def check(self, stage: Adapt, model: nn.Module, image_size: int) -> None:
        """Raise InputError unless the network can be adapted so."""
        adaptation(stage).check(model, image_size)

    def build(self, stage: Adapt, work: StageWork, draft: Draft, after: AfterEpoch) -> bool:
        """Train what is attached; publish the merged network, and an adapter if there is one.

        Batch-norm statistics are frozen where they are no part of what is attached. But through a
        layout of few bits a network gives other activations, so there they are learned along, and
        what the adapter belongs to is published with them.
        """
        layout = INTEGER_LAYOUTS.get(stage.trained_for)
        moves = layout is not None and layout.weight_bits <= _FEW_BITS
        adapter, model = adaptation(stage), work.network()
        with seeded("adapter", work.student.seed):
            adapted = adapter.attach(model, work.size)
        with work.as_stored(adapted):
            run = work.run(freeze_statistics=adapter.freezes_statistics and not moves)
            results = train(adapted, run, work.ground, draft, after)
        if results is None:
            return False
        with publishing(draft, results) as folder:
            if ADAPTER in stage.left:
                adapter.save(adapted, folder / ADAPTER)
            merged = work.with_its_zeros(adapter.merge(adapted))
            save_weights(merged, folder / WEIGHTS)
            if moves and ADAPTER in stage.left:
                base = work.network()
                base.load_state_dict(dict(merged.named_buffers()), strict=False)
                save_weights(base, folder / ADAPTER / BASE_WEIGHTS)
        return True
