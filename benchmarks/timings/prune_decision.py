"""How long a ruling, an offer and an ask take: python -m benchmarks.timings.prune_decision.

Histories are made up (made_up.py). `ruling` is one epoch report between two endings,
`after an ending` the first report after another's trial ended, `cold` a worker that has just come.
With SQLite a ruling begins with reading what others wrote meanwhile, by connections of their own:
seven running trials an epoch each, and for an ending a trial with five offers.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import optuna

from benchmarks.script import run_script
from benchmarks.timings import made_up
from benchmarks.timings.standalone_decision import in_memory, in_sqlite
from search.stopping import Pruner
from search.strategy import offers, parts_named, sampler_named
from spaces import SCHEMES, ChainConfig, suggest
from studies import create_or_resume, load_study, open_storage
from studies.records import Attr, History, HistoryReader, add_epoch, add_offer, complete, describe

CONFIG = load_study("kd_lora_q")
GROUND = made_up.ground_of(CONFIG)
CURVES = {
    "known_costs": [(epoch / 20, 0.3) for epoch in range(1, 8)],
    "freeze_thaw": [(epoch / 20, 0.8 + epoch / 70) for epoch in range(1, 8)],
}
"""Of the student that is ruled on: one where each pruner has to look at everything."""
SIZES = (1_000, 10_000)
OTHERS = 7


def pruner_of(name: str) -> Pruner:
    """Return a worker's pruner."""
    return parts_named("ehvi", name, GROUND, trials=10**6, seed=0).pruner


def rule(name: str, pruner: Pruner, at: History, chain: ChainConfig) -> None:
    """Rule on the student of `chain`."""
    pruner.rule(at, chain, CURVES[name], GROUND.costs, tuple(SCHEMES), made_up.IMAGES)


def timed_ms(action: Callable[[], object], repeats: int) -> float:
    """Return the median time of `action`."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        action()
        times.append((time.perf_counter() - began) * 1e3)
    return median(times)


def decisions(name: str, trials: int) -> None:
    """Print a row for a study of that many trials."""
    drawn, _ = made_up.chains(CONFIG, trials // 5)
    new, whole = drawn[-1], made_up.history(CONFIG, drawn[:-1], trials)
    ended = sum(point.student == whole.students[-1].key for point in whole.points)
    before = History(whole.points[:-ended], whole.students[:-1], whole.stopped)

    following = pruner_of(name)
    rule(name, following, whole, new)
    ruling = timed_ms(lambda: rule(name, following, whole, new), 200)
    after = []
    pruner = pruner_of(name)
    for _ in range(9):
        rule(name, pruner, before, new)
        after.append(timed_ms(lambda: rule(name, pruner, whole, new), 1))
    newcomer = pruner_of(name)
    cold = timed_ms(lambda: rule(name, newcomer, whole, new), 1)
    offering = timed_ms(lambda: offers(whole, new, 0.95, GROUND.costs, tuple(SCHEMES)), 5)
    print(
        f"| {name} | {trials:,} | {len(whole.students):,} | {ruling:.2f} | {median(after):.2f} "
        f"| {cold:.1f} | {offering:.1f} |",
        flush=True,
    )


class Others:
    """Workers that write into the same study, each by what a worker calls."""

    def __init__(self, file: Path) -> None:
        self._study = create_or_resume(CONFIG, open_storage(file))
        self._study.sampler = optuna.samplers.RandomSampler(seed=1)
        self._running = [self._begin() for _ in range(OTHERS)]

    def _begin(self) -> tuple[optuna.Trial, ChainConfig]:
        trial = self._study.ask()
        chain = suggest(trial, GROUND.space, GROUND.settled)
        describe(trial, chain)
        return trial, chain

    def report(self) -> None:
        """Report an epoch each."""
        for trial, _ in self._running:
            add_epoch(trial, (1 + len(trial.user_attrs.get(Attr.CURVE, ()))) / 1000, 0.5)

    def end_one(self) -> None:
        """End the first's trial, with its offers, and begin another."""
        trial, chain = self._running.pop(0)
        add_epoch(trial, 1.0, 0.9)
        evaluation = made_up.evaluation(0.9, 1_000_000)
        for scheme in [one for one in SCHEMES.values() if one != chain.scheme][
            : made_up.POINTS - 1
        ]:
            add_offer(self._study, trial, ChainConfig(chain.student, scheme), evaluation, 0.5)
        complete(self._study, trial, evaluation, 0.5, ())
        self._running.append(self._begin())


def with_sqlite(name: str, trials: int) -> None:
    """Print a row for a study of that many trials in an SQLite file."""
    drawn, distributions = made_up.chains(CONFIG, trials // 5)
    past = made_up.history(CONFIG, drawn[:-1], trials)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "study.db"
        storage = open_storage(file)
        study = create_or_resume(CONFIG, storage)
        made_up.write(storage, CONFIG.name, made_up.trials_of(past, distributions))
        reader, pruner, others = HistoryReader(study, storage), pruner_of(name), Others(file)
        rule(name, pruner, reader.read(), drawn[-1])

        def one() -> tuple[float, float]:
            began = time.perf_counter()
            history = reader.read()
            read = time.perf_counter()
            rule(name, pruner, history, drawn[-1])
            return 1e3 * (read - began), 1e3 * (time.perf_counter() - began)

        def after(happening: Callable[[], None], repeats: int) -> str:
            times = []
            for _ in range(repeats):
                happening()
                times.append(one())
            reading, whole = (median(column) for column in zip(*times, strict=True))
            return f"{reading:.2f} | {whole:.2f}"

        print(f"| {name} | {trials:,} | {after(others.report, 30)} | {after(others.end_one, 15)} |")


def ask_and_tell(name: str, students: int) -> None:
    """Print a row for a study with that many students, each offered five more schemes."""
    study = optuna.create_study(
        directions=["maximize", "minimize", "minimize"], sampler=sampler_named(name, 0)
    )

    def ask() -> optuna.Trial:
        trial = study.ask()
        for setting in ("alpha", "temperature", "learning_rate", "lora_alpha", "lora_dropout"):
            trial.suggest_float(setting, 0, 1, step=0.1)
        for setting in ("width", "lora_rank", "scheme"):
            trial.suggest_categorical(setting, [0, 1, 2, 3])
        return trial

    rng, first = np.random.default_rng(0), ask()
    distributions = first.distributions
    study.tell(first, state=optuna.trial.TrialState.FAIL)
    for number in range(6 * students):
        params = {
            setting: rng.integers(4) if setting in {"width", "lora_rank", "scheme"} else 0.1
            for setting in distributions
        }
        params |= {s: float(rng.integers(11)) / 10 for s, v in params.items() if v == 0.1}
        study.add_trial(
            optuna.create_trial(
                values=rng.random(3).tolist(),
                params={s: int(v) if isinstance(v, np.integer) else v for s, v in params.items()},
                distributions=distributions,
                user_attrs={} if number % 6 == 0 else {Attr.ORIGIN: "offered"},
            )
        )
    cold = timed_ms(ask, 1)
    following = timed_ms(lambda: study.tell(ask(), [0.5, 0.5, 0.5]), 5)
    print(f"| {name} | {students:,} | {6 * students:,} | {cold:.0f} | {following:.0f} |")


def main() -> None:
    """Print the tables."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print("| pruner | trials | students | ruling ms | after an ending ms | cold ms | offers ms |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in ("known_costs", "freeze_thaw"):
        for trials in SIZES:
            decisions(name, trials)
    print(
        "\n| SQLite | trials | reading ms | and ruling ms | after an ending: reading ms "
        "| and ruling ms |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for name in ("known_costs", "freeze_thaw"):
        for trials in SIZES:
            with_sqlite(name, trials)
    in_memory(SIZES)
    in_sqlite(SIZES)
    print("\n| sampler | students | points | first ask ms | ask + tell ms |")
    print("| --- | --- | --- | --- | --- |")
    for name in ("tpe", "nsgaii", "qmc", "random"):
        for students in (167, 1_000, 3_000):
            ask_and_tell(name, students)


if __name__ == "__main__":
    run_script(main)
