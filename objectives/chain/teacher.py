"""A teacher: trained by us or loaded, once per study."""

from dataclasses import asdict
from pathlib import Path
from typing import assert_never

import torch
from torch import nn

from objectives.chain.cache import Draft
from objectives.chain.handlers import AsksTeachers
from objectives.chain.handlers.handler import WEIGHTS
from objectives.data import Data, resized
from objectives.models import initialised_model, load_pretrained, load_weights, save_weights
from objectives.plausibility import doubt_of
from objectives.seeding import derived_seed
from objectives.training import (
    AfterEpoch,
    TrainingGround,
    TrainingRun,
    logits_of,
    train,
    training_method,
)
from spaces import (
    NO_WEIGHTS,
    InputError,
    LoadTeacher,
    Network,
    NoTeacher,
    TeacherConfig,
    TrainTeacher,
    Views,
)

TEACHER_VERSION, LOGITS_VERSION, ENSEMBLE_VERSION = 1, 1, 1
"""Raised by whoever changes what is computed: older entries are then no longer found."""

_TRIED_IMAGES = 400
"""That a loaded teacher is tried on before a study begins."""


def try_given_weights(teacher: TeacherConfig, data: Data) -> None:
    """Load the weights that a teacher has before any training; raises InputError as they do."""
    network, weights = teacher.network, teacher.weights
    model = initialised_model(network, data.classes, seed=0)
    match weights:
        case LoadTeacher():
            try_teacher(model, network, weights, data)
        case TrainTeacher():
            if weights.pretrained != NO_WEIGHTS:
                load_pretrained(model, network, weights.pretrained, data.classes)
        case _:
            assert_never(weights)


def try_teacher(model: nn.Module, network: Network, weights: LoadTeacher, data: Data) -> str:
    """Fill `model`, a `network`, with the teacher's weights and try it on some images of `data`.

    Returns what load_weights says. Raises InputError as it does, and when the teacher surely
    cannot be right: no better than guessing, or right under another order of classes.
    """
    path = Path(weights.path)
    read = load_weights(model, path, network.key, classes=data.classes, part=weights.part)
    labels, guesses = [], []
    left = _TRIED_IMAGES
    for split in (data.splits[name] for name in ("validation", "test", "train")):
        some = min(left, len(split.labels))
        # Images of one class may stand together: they are taken from all over the split.
        chosen = torch.linspace(0, len(split.labels) - 1, some).long()
        images = resized(data.normalise(split.images[chosen]), network.image_size)
        if some:
            guesses.append(logits_of(model, images).argmax(1))
            labels.append(split.labels[chosen])
        left -= some
    doubt = doubt_of(torch.cat(labels).numpy(), torch.cat(guesses).numpy(), data.class_names)
    if doubt is not None and doubt.sure:
        raise InputError(f"teacher {network.key} with the weights {path} is {doubt.words}")
    return read


def build_teacher(
    config: TeacherConfig,
    seed: int,
    teachers: AsksTeachers,
    ground: TrainingGround,
    classes: int,
    draft: Draft,
    after: AfterEpoch,
) -> bool:
    """Train or load a teacher and publish it.

    seed: of the study. teachers: those that it may learn from.
    """
    network, weights = config.network, config.weights
    results: list[dict[str, float]] = []
    read = ""
    match weights:
        case LoadTeacher(path, part=part):
            model = initialised_model(network, classes, derived_seed("weights", seed))
            read = load_weights(model, Path(path), network.key, classes=classes, part=part)
            model.to(ground.device)
            logits = logits_of(model, ground.validation(network.image_size))
            accuracy = ground.judged(logits)
        case TrainTeacher():
            seed = seed if weights.seed is None else weights.seed
            model = initialised_model(network, classes, derived_seed("weights", seed))
            if weights.pretrained != NO_WEIGHTS:
                load_pretrained(model, network, weights.pretrained, classes)
            trained = train(model, _run(config, weights, seed, teachers), ground, draft, after)
            if trained is None:
                return False
            results, accuracy = [asdict(each) for each in trained], trained[-1].accuracy
        case _:
            assert_never(weights)
    with draft.publishing({"results": results, "accuracy": accuracy, "read": read}) as folder:
        save_weights(model, folder / WEIGHTS)
    return True


def _run(
    config: TeacherConfig, weights: TrainTeacher, seed: int, teachers: AsksTeachers
) -> TrainingRun:
    lesson, signal, views = weights.lesson, None, Views(augment=weights.augment)
    method = training_method(NoTeacher() if lesson is None else lesson.method)
    if lesson is not None and lesson.method.needs_teacher:
        signal = teachers.signal(lesson.teacher, method, views)
    size, until = config.network.image_size, weights.until
    return TrainingRun("teacher", weights.schedule, seed, size, method, signal, views, until=until)
