"""How long a ruling, an offer and an ask take: python -m benchmarks.timings.prune_decision.

Histories are made up (made_up.py). `ruling` is one epoch report between two endings,
`after an ending` the first report after another's trial ended, `cold` a worker that has just come.
With SQLite a ruling begins with reading what others wrote meanwhile, by connections of their own:
seven running trials an epoch each, and for an ending a trial with five offers.
"""

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import optuna

from benchmarks.script import run_script
from benchmarks.timings import made_up
from benchmarks.timings.harness import Action, TablePrinter, Times, measure, parser_of, timed
from benchmarks.timings.standalone_decision import in_memory, in_sqlite
from search.stopping import Curve, Pruner, StudentInTraining
from search.strategy import offers, parts_named, sampler_named
from spaces import SCHEMES, ChainConfig
from studies import create_or_resume, load_study, open_storage
from studies.records import Attr, History, HistoryReader, add_epoch, add_offer, complete, describe

CONFIG = load_study("kd_lora_q")
PROBLEM = made_up.problem_of(CONFIG)
CURVES: dict[str, Curve] = {
    "known_costs": tuple((epoch / 20, 0.3) for epoch in range(1, 8)),
    "freeze_thaw": tuple((epoch / 20, 0.8 + epoch / 70) for epoch in range(1, 8)),
}
"""Of the student that is ruled on: one where each pruner has to look at everything."""
STEPS = (
    "distill.alpha",
    "distill.temperature",
    "distill.learning_rate",
    "adapt.lora_alpha",
    "adapt.dropout",
)
CHOICES = ("network.width", "adapt.rank", "quantize.scheme")
"""Settings of the students that Optuna's samplers are asked for."""
SIZES = (1_000, 10_000)
OTHERS = 7


def pruner_of(name: str) -> Pruner:
    """Return a worker's pruner."""
    return parts_named("ehvi", name, PROBLEM, trials=10**6, seed=0).pruner


def rule(name: str, pruner: Pruner, at: History, chain: ChainConfig) -> None:
    """Rule on the student of `chain`."""
    pruner.rule(StudentInTraining(at, chain, CURVES[name]))


def decisions(name: str, trials: int, printer: TablePrinter) -> None:
    """Print a row for a study of that many trials."""
    drawn, _ = made_up.chains(CONFIG, trials // 5)
    new, whole = drawn[-1], made_up.history(CONFIG, drawn[:-1], trials)
    ended = sum(point.student == whole.students[-1].key for point in whole.points)
    before = History(whole.points[:-ended], whole.students[:-1], whole.stopped)

    def rulings_after_an_ending() -> Iterator[Action]:
        pruner = pruner_of(name)
        for _ in range(9):
            rule(name, pruner, before, new)
            yield partial(rule, name, pruner, whole, new)

    ruling = partial(rule, name, pruner_of(name), whole, new)
    offering = partial(offers, whole, new, 0.95, PROBLEM)
    printer.row(
        name,
        trials,
        len(whole.students),
        measure([ruling] * 201, warm_up=1).median_ms,
        measure(rulings_after_an_ending()).median_ms,
        measure([partial(rule, name, pruner_of(name), whole, new)]).median_ms,
        measure([offering] * 5).median_ms,
    )


class Others:
    """Workers that write into the same study, each by what a worker calls."""

    def __init__(self, file: Path) -> None:
        self._study = create_or_resume(CONFIG, open_storage(file))
        self._study.sampler = optuna.samplers.RandomSampler(seed=1)
        self._running = [self._begin() for _ in range(OTHERS)]

    def _begin(self) -> tuple[optuna.Trial, ChainConfig]:
        trial = self._study.ask()
        chain = PROBLEM.space.suggest(trial)
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


def with_sqlite(name: str, trials: int, printer: TablePrinter) -> None:
    """Print a row for a study of that many trials in an SQLite file."""
    drawn, distributions = made_up.chains(CONFIG, trials // 5)
    past = made_up.history(CONFIG, drawn[:-1], trials)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "study.db"
        storage = open_storage(file)
        study = create_or_resume(CONFIG, storage)
        made_up.write(storage, CONFIG.name, made_up.trials_of(PROBLEM.space, past, distributions))
        reader, pruner, others = HistoryReader(study, storage), pruner_of(name), Others(file)
        rule(name, pruner, reader.read(), drawn[-1])

        def after(happening: Callable[[], None], repeats: int) -> tuple[float, float]:
            """Return medians, in ms, of the reading and of both."""
            readings_s, wholes_s = [], []
            for _ in range(repeats):
                happening()
                reading_s, history = timed(reader.read)
                ruling_s, _ = timed(partial(rule, name, pruner, history, drawn[-1]))
                readings_s.append(reading_s)
                wholes_s.append(reading_s + ruling_s)
            return Times(readings_s).median_ms, Times(wholes_s).median_ms

        printer.row(name, trials, *after(others.report, 30), *after(others.end_one, 15))


def ask_and_tell(name: str, students: int, printer: TablePrinter) -> None:
    """Print a row for a study with that many students, each offered five more schemes."""
    study = optuna.create_study(
        directions=["maximize", "minimize", "minimize"], sampler=sampler_named(name, 0)
    )

    def ask() -> optuna.Trial:
        trial = study.ask()
        for setting in STEPS:
            trial.suggest_float(setting, 0, 1, step=0.1)
        for setting in CHOICES:
            trial.suggest_categorical(setting, [0, 1, 2, 3])
        return trial

    rng, first = np.random.default_rng(0), ask()
    distributions = first.distributions
    study.tell(first, state=optuna.trial.TrialState.FAIL)
    for number in range(6 * students):
        params = {
            setting: rng.integers(4) if setting in CHOICES else 0.1 for setting in distributions
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
    cold = measure([ask])
    following = measure([lambda: study.tell(ask(), [0.5, 0.5, 0.5])] * 5)
    printer.row(name, students, 6 * students, cold.median_ms, following.median_ms)


def main() -> None:
    """Print the tables."""
    printer = TablePrinter(as_json=parser_of(__doc__).parse_args().json)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    printer.head(
        {
            "pruner": "",
            "trials": ",",
            "students": ",",
            "ruling ms": ".2f",
            "after an ending ms": ".2f",
            "cold ms": ".1f",
            "offers ms": ".1f",
        }
    )
    for name in ("known_costs", "freeze_thaw"):
        for trials in SIZES:
            decisions(name, trials, printer)
    printer.head(
        {
            "SQLite": "",
            "trials": ",",
            "reading ms": ".2f",
            "and ruling ms": ".2f",
            "after an ending: reading ms": ".2f",
            "reading and ruling ms": ".2f",
        }
    )
    for name in ("known_costs", "freeze_thaw"):
        for trials in SIZES:
            with_sqlite(name, trials, printer)
    in_memory(SIZES, printer)
    in_sqlite(SIZES, printer)
    printer.head(
        {
            "sampler": "",
            "students": ",",
            "points": ",",
            "first ask ms": ".0f",
            "ask + tell ms": ".0f",
        }
    )
    for name in ("tpe", "nsgaii", "qmc", "random"):
        for students in (167, 1_000, 3_000):
            ask_and_tell(name, students, printer)


if __name__ == "__main__":
    run_script(main)
