"""Trains a network on with its weights rounded, and publishes the rounded ones."""

from objectives.chain.cache import Draft
from objectives.chain.handlers.handler import FEW_BITS, StageWork, publish
from objectives.training import AfterEpoch, train, trained_through
from spaces import INTEGER_LAYOUTS, QuantizeAware


class QuantizeAwareHandler:
    """A StageHandler of QuantizeAware."""

    code_version = 1
    libraries = ("torchao",)

    def build(self, stage: QuantizeAware, work: StageWork, draft: Draft, after: AfterEpoch) -> bool:
        """Train the parent's weights through the layout.

        Batch-norm statistics are frozen, which is what folding them into the weights is: codes do
        not depend on a channel's gain (Krishnamoorthi 2018, section 3.2.2). At few bits they are
        learned along. Checkpoints hold the weights before they are rounded.
        """
        layout, model = INTEGER_LAYOUTS[stage.layout], work.network()
        moves = layout.weight_bits <= FEW_BITS
        with trained_through(model, layout, work.calibration, work.zeros) as view:
            run = work.run(freeze_statistics=not moves, refresh=view.refresh)
            results = train(model, run, work.ground, draft, after)
            if results is None:
                return False
            view.settle()
        publish(draft, results, model)
        return True
