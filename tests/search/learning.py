"""Made-up trainings, for studies in which it is known what a stopped one would have got."""

import math

STEPS = 8


def draw(trial):
    """Return final value, how late it learns, and two known costs; all from parameters."""
    final = trial.suggest_float("final", 0, 1)
    late = trial.suggest_float("late", 0, 1)
    size = trial.suggest_categorical("size", [1, 2, 4, 8])
    latency = trial.suggest_categorical("latency", [1.0, 2.0, 3.0])
    return final + 0.1 * math.log2(size), late, size, latency


def value_at(final, late, progress):
    """Return a value that grows to `final`; what is gained depends on `late` alone."""
    return final - (0.2 + late) * (1 - progress) ** (1 + late)
