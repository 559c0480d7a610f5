"""Optuna's GP with its acquisition computed once a choice: the same choices."""

from typing import Any

import optuna

from benchmarks.peers.gp import OnceGPSampler

SEED = 3
TRIALS = 24


def _choices(sampler: optuna.samplers.BaseSampler) -> list[dict[str, Any]]:
    """Return what a study of two objectives over a grid of 60 points tried."""

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        width = trial.suggest_categorical("width", [1, 2, 3, 4, 5])
        depth = trial.suggest_categorical("depth", [1, 2, 3, 4])
        heat = trial.suggest_float("heat", 1.0, 3.0, step=1.0)
        return width * depth / 20 - (heat - 2) ** 2 / 4, width + depth**1.5

    study = optuna.create_study(sampler=sampler, directions=["maximize", "minimize"])
    study.optimize(objective, n_trials=TRIALS)
    return [trial.params for trial in study.trials]


def test_the_choices_are_optunas() -> None:
    plain = optuna.samplers.GPSampler(seed=SEED, warn_independent_sampling=False)
    assert _choices(OnceGPSampler(SEED)) == _choices(plain)


def test_a_point_is_asked_for_once_a_choice() -> None:
    asked: list[int] = []

    class Counted(OnceGPSampler):
        def _optimize_acqf(self, acqf: Any, best_params: Any) -> Any:
            ask = acqf.eval_acqf_no_grad

            def counted(x: Any) -> Any:
                asked.append(len(x))
                return ask(x)

            acqf.eval_acqf_no_grad = counted
            return super()._optimize_acqf(acqf, best_params)

    _choices(Counted(SEED))
    # The first ten are drawn without it.
    assert 0 < sum(asked) <= (TRIALS - 10) * 60
