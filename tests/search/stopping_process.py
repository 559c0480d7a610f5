"""One of several processes that share a study: each has a stopper of its own.

Usage: stopping_process.py STORAGE TRIALS; runs until the study has so many finished trials.
"""

import sys

import optuna

from search.stopping.known_cost_stopper import KnownCostStopper
from tests.search.learning import STEPS, draw, value_at

url, trials = sys.argv[1], int(sys.argv[2])
options = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {}
study = optuna.load_study(
    study_name="shared",
    storage=optuna.storages.RDBStorage(url, engine_kwargs=options),
    sampler=optuna.samplers.RandomSampler(),
)
stopper = KnownCostStopper(study, learned=1)


def objective(trial):
    final, late, size, latency = draw(trial)
    watch = stopper.watch(trial, (size, latency))
    for step in range(1, STEPS + 1):
        value = value_at(final, late, step / STEPS)
        if watch.should_stop(value, step / STEPS):
            raise optuna.TrialPruned
    return size, value, latency


while len(study.get_trials(deepcopy=False)) < trials:
    study.optimize(objective, n_trials=1)
