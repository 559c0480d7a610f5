"""Trains a network on with its weights rounded, and publishes the rounded ones."""

from objectives.chain.cache import Draft
from objectives.chain.handlers.handler import StageWork, publish
from objectives.training import AfterEpoch, train, trained_through
from spaces import INTEGER_LAYOUTS, QuantizeAware


class QuantizeAwareHandler:
    """A StageHandler of QuantizeAware."""

    code_version = 2
    libraries = ("torchao",)

    def build(self, stage: QuantizeAware, work: StageWork, draft: Draft, after: AfterEpoch) -> bool:
        """Train the parent's weights through the layout, from their best rounding on.

        Batch-norm statistics are frozen, which is what folding them into the weights is: codes do
        not depend on a channel's gain (Krishnamoorthi 2018, section 3.2.2). At few bits too: a
        rounding that keeps what layers give leaves statistics that fit. Checkpoints hold the
        weights before they are rounded.
        """
        layout, model = INTEGER_LAYOUTS[stage.layout], work.network()
        with trained_through(model, layout, work.calibration, work.zeros) as view:
            run = work.run(freeze_statistics=True, refresh=view.refresh, begin=view.begin)
            results = train(model, run, work.ground, draft, after)
            if results is None:
                return False
            view.settle()
        publish(draft, results, model)
        return True
