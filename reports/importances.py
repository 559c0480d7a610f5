"""Which settings decided each objective, by functional ANOVA over the study's points."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import optuna

from reports.summary import StudySummary

MOST_POINTS = 400
"""More points make the forest slow and change little; they are taken evenly over the study."""
FEWEST_POINTS = 8
"""With fewer, an importance says nothing."""
ABSENT = "none"
"""A setting that does not apply is a choice like any other."""


def importances(summary: StudySummary) -> Mapping[str, Mapping[str, float]]:
    """Return by objective each setting's share of the variance (Hutter 2014), largest first.

    By the settings' titles. Every one counts as categorical, so that those that apply only to some
    students are weighed as well; Optuna alone would leave them out. Size and latency are weighed by
    the settings that decide costs alone: the rest would show chance. An objective that did not
    vary, or too few points, has none.
    """
    points = [point for point in summary.history.points if point.chain is not None]
    stride = max(1, -(-len(points) // MOST_POINTS))
    points = points[::stride]
    if len(points) < FEWEST_POINTS:
        return {}
    space = summary.space
    settings = [space.params_of(point.chain) for point in points if point.chain is not None]
    costly = {name for name, (key, *_) in space.keys.items() if key.declared.setting.decides_costs}
    # A settled setting of a stage that some leave out varies too, and shows no more than leaving.
    varied = [name for name in space.searched if len({_choice(p.get(name)) for p in settings}) > 1]
    shares: dict[str, Mapping[str, float]] = {}
    for objective in summary.objectives:
        values = [float(getattr(point, objective)) for point in points]
        weighed = [name for name in varied if objective == "accuracy" or name in costly]
        if not weighed or len(set(values)) < 2:
            continue
        rows = [{name: _choice(params.get(name)) for name in weighed} for params in settings]
        found = _variance_shares(rows, values)
        shares[objective] = {space.title(name): share for name, share in found.items()}
    return shares


def _variance_shares(
    rows: Sequence[Mapping[str, str]], values: Sequence[float]
) -> dict[str, float]:
    choices = {name: sorted({row[name] for row in rows}) for name in rows[0]}
    distributions = {
        name: optuna.distributions.CategoricalDistribution(known) for name, known in choices.items()
    }
    with _quiet():
        study = optuna.create_study(storage=optuna.storages.InMemoryStorage())
    study.add_trials(
        [
            optuna.trial.create_trial(
                value=value, params=dict(row), distributions=dict(distributions)
            )
            for row, value in zip(rows, values, strict=True)
        ]
    )
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=16, max_depth=6, seed=0)
    return optuna.importance.get_param_importances(study, evaluator=evaluator)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna from announcing a study that nobody asked for."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _choice(value: object) -> str:
    return ABSENT if value is None else f"{value:g}" if isinstance(value, float) else str(value)
