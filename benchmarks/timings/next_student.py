"""How long it takes to choose what is trained next: python -m benchmarks.timings.next_student.

The space is that of the main job, far too large to be looked at whole; histories are made up
(made_up.py). `a choice` is the sampler's, in memory, right after a trial ended, so the forecast is
made anew each time; the covariance is fitted anew now and then. `ask + tell` is the same through a
study in an SQLite file, with the ten settings and two attributes that it writes.
"""

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from optuna import Trial
from threadpoolctl import threadpool_limits

from benchmarks.script import run_script
from benchmarks.timings import made_up
from benchmarks.timings.harness import Action, TablePrinter, Times, measure, parser_of, timed
from search.strategy import FreezeThaw, parts_named
from spaces import ChainConfig
from studies import StudyConfig, create_or_resume, load_study, open_storage
from studies.records import History, HistoryReader, complete, describe

CHOICES = 20
"""Students that end, one after the other, and are followed by a choice."""


def main() -> None:
    """Print the table."""
    printer = TablePrinter(as_json=parser_of(__doc__).parse_args().json)
    threadpool_limits(
        limits=1, user_api="blas"
    )  # As every worker does (objectives.chain.workbench).
    config = load_study("kd_lora_q")
    printer.head(
        {
            "students": ",",
            "points": ",",
            "a choice, median ms": ".0f",
            "a choice, slowest ms": ".0f",
            "ask + tell, median ms": ".0f",
            "ask + tell, slowest ms": ".0f",
        }
    )
    for trials in (360, 3_050, 6_000, 18_000):
        whole = made_up.history(config, made_up.chains(config, trials // 5)[0], trials)
        # The first reads all of the history's settings, once a process.
        chosen = measure(_choices(config, whole), warm_up=1)
        asked = _asks(config, trials)
        printer.row(
            len(whole.students),
            len(whole.points),
            chosen.median_ms,
            chosen.slowest_ms,
            asked.median_ms,
            asked.slowest_ms,
        )


def _choices(config: StudyConfig, whole: History) -> Iterator[Action]:
    search = FreezeThaw(made_up.problem_of(config), trials=10**6, seed=0)
    for left in range(CHOICES, -1, -1):
        students = whole.students[: len(whole.students) - left]
        points = tuple(one for one in whole.points if one.number < students[-1].number + 6)
        yield partial(search.draw, History(points, students, whole.stopped))


def _asks(config: StudyConfig, trials: int) -> Times:
    problem = made_up.problem_of(config)
    drawn, distributions = made_up.chains(config, trials // 5)
    past = made_up.history(config, drawn, trials)
    taken_s = []

    def ask() -> tuple[Trial, ChainConfig]:
        trial = study.ask()
        return trial, problem.space.suggest(trial)

    with tempfile.TemporaryDirectory() as folder:
        storage = open_storage(Path(folder) / "study.db")
        study = create_or_resume(config, storage)
        made_up.write(storage, config.name, made_up.trials_of(problem.space, past, distributions))
        reader = HistoryReader(study, storage)
        parts = parts_named("ehvi", "freeze_thaw", problem, trials=10**6, seed=0, reader=reader)
        study.sampler = parts.sampler
        for _ in range(CHOICES // 2 + 1):
            ask_s, (trial, chain) = timed(ask)
            describe(trial, chain)
            trial.set_user_attr("curve", [[1.0, 0.9]])
            evaluation = made_up.evaluation(0.9, 1_000_000)
            tell_s, _ = timed(partial(complete, study, trial, evaluation, 0.5, ()))
            taken_s.append(ask_s + tell_s)
        storage.engine.dispose()
    return Times(taken_s[1:])


if __name__ == "__main__":
    run_script(main)
