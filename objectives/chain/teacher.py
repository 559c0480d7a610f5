"""The teacher: trained by us or loaded, once per study."""

from dataclasses import asdict
from pathlib import Path
from typing import assert_never

from objectives.chain.cache import Draft
from objectives.chain.handlers.handler import WEIGHTS
from objectives.models import initialised_model, load_weights, save_weights
from objectives.seeding import derived_seed
from objectives.training import (
    AfterEpoch,
    TrainingGround,
    TrainingRun,
    logits_of,
    share_right,
    train,
    training_method,
)
from spaces import LoadTeacher, NoTeacher, StudySetup, TrainTeacher

TEACHER_VERSION, LOGITS_VERSION = 1, 1
"""Raised by whoever changes what is computed: older entries are then no longer found."""


def build_teacher(
    setup: StudySetup, ground: TrainingGround, classes: int, draft: Draft, after: AfterEpoch
) -> bool:
    """Train or load the teacher and publish it."""
    network, weights = setup.teacher.network, setup.teacher.weights
    model = initialised_model(network, classes, derived_seed("weights", setup.seed))
    results: list[dict[str, float]] = []
    match weights:
        case LoadTeacher(path):
            load_weights(model, Path(path), network.key)
            model.to(ground.device)
            logits = logits_of(model, ground.validation(network.image_size))
            accuracy = share_right(logits, ground.validation_labels)
        case TrainTeacher(schedule):
            run = TrainingRun(
                "teacher", schedule, setup.seed, network.image_size, training_method(NoTeacher())
            )
            trained = train(model, run, ground, draft, after)
            if trained is None:
                return False
            results, accuracy = [asdict(each) for each in trained], trained[-1].accuracy
        case _:
            assert_never(weights)
    with draft.publishing({"results": results, "accuracy": accuracy}) as folder:
        save_weights(model, folder / WEIGHTS)
    return True
