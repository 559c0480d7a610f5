"""Trains adapters on its parent's frozen weights, and merges them."""

from objectives.chain.cache import Draft
from objectives.chain.handlers.handler import WEIGHTS, StageWork, publishing
from objectives.models import save_weights
from objectives.seeding import seeded
from objectives.training import AfterEpoch, attach_adapter, merge_adapter, save_adapter, train
from spaces import BASE_WEIGHTS, INTEGER_LAYOUTS, Adapt

ADAPTER = "adapter"
"""Folder with the adapter in peft's format."""
_FEW_BITS = 2
"""Of a weight. With so few most weights are rounded to 0, and activations shrink with them: under
the statistics of before the network is at chance, and stays there."""


class AdaptHandler:
    """A StageHandler of Adapt."""

    code_version = 1
    libraries = ("peft",)

    def build(self, stage: Adapt, work: StageWork, draft: Draft, after: AfterEpoch) -> bool:
        """Train adapters; publish them and the merged network.

        Batch-norm statistics are frozen: they are no part of an adapter. But through a layout of
        few bits a network gives other activations, so there they are learned along, and what the
        adapter belongs to is published with them.
        """
        layout = INTEGER_LAYOUTS.get(stage.trained_for)
        moves = layout is not None and layout.weight_bits <= _FEW_BITS
        model = work.network()
        with seeded("adapter", work.student.seed):
            adapted = attach_adapter(model, stage)
        with work.through_its_layout(adapted):
            run = work.run(freeze_statistics=not moves)
            results = train(adapted, run, work.ground, draft, after)
        if results is None:
            return False
        with publishing(draft, results) as folder:
            save_adapter(adapted, folder / ADAPTER)
            merged = merge_adapter(adapted)
            save_weights(merged, folder / WEIGHTS)
            if moves:
                base = work.network()
                base.load_state_dict(dict(merged.named_buffers()), strict=False)
                save_weights(base, folder / ADAPTER / BASE_WEIGHTS)
        return True
