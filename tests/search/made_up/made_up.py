"""A stage, two settings and a scheme that the project does not have, added as anybody would."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from objectives.chain.handlers import HANDLERS
from objectives.chain.handlers.handler import publish
from objectives.training import logits_of, train
from objectives.training.float_accuracy import re_estimate_statistics
from spaces import SCHEMES, STAGES, Calibration, Choice, Prior, Scheme, Stage, Static
from spaces.settings import Number, Setting, setting


@dataclass(frozen=True)
class Average(Stage):
    """Trains on, and averages what comes of it with the weights that it began with."""

    kind: ClassVar[str] = "average"
    done: ClassVar[str] = "averaged"
    absent: ClassVar[str] = "not averaged"
    leaves: ClassVar[Mapping[str, str]] = {}
    prior: ClassVar[Prior] = Prior(fall=0.02, noise=0.05, gain=0.01, family=0.01)

    share: float = setting(
        0.5,
        Setting(
            "share of the old weights", Number(above=0, below=1), Choice((0, 0.25, 0.5)), skips=0
        ),
    )
    """Of the weights that it began with, in what it ends with."""
    epochs: int = setting(1, Setting("epochs", Number(least=1, whole=True)))
    learning_rate: float = setting(0.001, Setting("learning rate", Number(above=0)))

    @property
    def in_words(self) -> str:
        return f"{self.share:g} of the old weights"


class AverageHandler:
    """A StageHandler of Average."""

    code_version = 1
    libraries = ()

    def build(self, stage, work, draft, after):
        model = work.network()
        before = {name: value.clone() for name, value in model.state_dict().items()}
        size = work.student.network.image_size

        def averaged(epoch, result, reused):
            if epoch < stage.epochs:
                return after(epoch, result, reused)
            with torch.no_grad():
                for name, value in model.state_dict().items():
                    if value.is_floating_point():
                        value.lerp_(before[name].to(value.device), stage.share)
            re_estimate_statistics(model, work.ground.statistics_images(size))
            logits = logits_of(model, work.ground.validation(size))
            accuracy = work.ground.judged(logits)
            last.append(replace(result, accuracy=accuracy))
            return after(epoch, last[-1], reused)

        last = []
        results = train(model, work.run(), work.ground, draft, averaged)
        if results is None:
            return False
        publish(draft, [*results[:-1], *last], model)
        return True


def register():
    """Add them to the mappings in which the project has its own."""
    STAGES["average"] = Average
    HANDLERS["average"] = AverageHandler()
    SCHEMES["int8_clipped"] = Scheme("int8_clipped", Static(8), Calibration("percentile_99.9"))


def unregister():
    """Take them out again."""
    for mapping, name in ((STAGES, "average"), (HANDLERS, "average"), (SCHEMES, "int8_clipped")):
        mapping.pop(name, None)
