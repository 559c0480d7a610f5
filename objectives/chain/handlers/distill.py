"""Trains the whole network by its method."""

from objectives.chain.cache import Draft
from objectives.chain.handlers.handler import StageWork, publish
from objectives.training import AfterEpoch, train
from spaces import Distill


class DistillHandler:
    """A StageHandler of Distill."""

    code_version = 1
    libraries = ()

    def build(
        self,
        stage: Distill,  # noqa: ARG002 - the work has it as the student's last
        work: StageWork,
        draft: Draft,
        after: AfterEpoch,
    ) -> bool:
        """Train the network from its parent's weights, or from fresh ones."""
        model = work.network()
        with work.as_stored(model):
            results = train(model, work.run(), work.ground, draft, after)
        if results is None:
            return False
        publish(draft, results, model)
        return True
