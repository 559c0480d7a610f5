"""Takes channels out of a network, or lets weights be zero, and trains what is left."""

from torch import nn

from objectives.chain.cache import Draft
from objectives.chain.handlers.handler import StageWork, publish
from objectives.models import unread_channels
from objectives.training import (
    AfterEpoch,
    EpochResult,
    FadingChannels,
    FadingWeights,
    Masks,
    channel_importance,
    check_criterion,
    masked,
    prune_at_once,
    train,
)
from spaces import Prune

Trained = tuple[nn.Module, list[EpochResult] | None]


class PruneHandler:
    """A StageHandler of Prune."""

    code_version = 2
    libraries = ("torch-pruning",)

    def check(self, stage: Prune, model: nn.Module, image_size: int) -> None:
        """Raise InputError where the criterion says nothing of channels that are to go."""
        check_criterion(stage, model, image_size)

    def build(self, stage: Prune, work: StageWork, draft: Draft, after: AfterEpoch) -> bool:
        """Prune the parent's weights, and train what is left.

        What goes follows from the weights, so that a run that goes on prunes as one that went on.
        """
        if stage.removes == "weights":
            model, results = _without_weights(stage, work, draft, after)
        elif stage.steps == 1:
            model = work.network()
            _cut(model, stage, work)
            results = train(model, work.run(), work.ground, draft, after)
        else:
            model, results = _losing_channels(stage, work, draft, after)
        if results is None:
            return False
        publish(draft, results, model)
        return True


def _without_weights(stage: Prune, work: StageWork, draft: Draft, after: AfterEpoch) -> Trained:
    model = work.network()
    with masked(model, work.calibration) as layers:
        fading = FadingWeights(layers, stage, work.student.deployed.pruned)
        return model, train(model, work.run(refresh=fading.refresh), work.ground, draft, after)


def _losing_channels(stage: Prune, work: StageWork, draft: Draft, after: AfterEpoch) -> Trained:
    """Train the whole network while ever fewer of its channels are read, and cut the rest out."""
    model = work.network()

    def chosen(now: nn.Module, share: float) -> Masks:
        plain = work.network()
        plain.load_state_dict(now.state_dict())
        importance = channel_importance(stage, plain, work.size, work.ground, work.student.seed)
        return unread_channels(plain, work.student.deployed.pruned, work.size, importance, share)

    with masked(model, work.calibration) as layers:
        fading = FadingChannels(model, layers, stage, chosen)
        results = train(model, work.run(refresh=fading.refresh), work.ground, draft, after)
    if results is None:
        return model, None
    whole = work.network()
    whole.load_state_dict(model.state_dict())
    _cut(whole, stage, work)
    return whole, results


def _cut(model: nn.Module, stage: Prune, work: StageWork) -> None:
    left = work.student.deployed.pruned
    prune_at_once(model, stage, left, work.size, work.ground, work.student.seed)
