"""How long it takes to choose what is trained next: python -m benchmarks.timings.next_student.

The space is that of the main job, far too large to be looked at whole; histories are made up
(made_up.py). `a choice` is the sampler's, in memory, right after a trial ended, so the
outlook is made anew each time; the covariance is fitted anew now and then. `ask + tell` is the same
through a study in an SQLite file, with the ten settings and two attributes that it writes.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.script import run_script
from benchmarks.timings import made_up
from search.strategy import FreezeThaw, parts_named
from spaces import suggest
from studies import StudyConfig, create_or_resume, load_study, open_storage
from studies.records import History, HistoryReader, complete, describe

CHOICES = 20
"""Students that end, one after the other, and are followed by a choice."""


def main() -> None:
    """Print the table."""
    threadpool_limits(
        limits=1, user_api="blas"
    )  # As every worker does (objectives.chain.workbench).
    config = load_study("kd_lora_q")
    print("| students | points | a choice, median ms | slowest | ask + tell, median ms | slowest |")
    print("| --- | --- | --- | --- | --- | --- |")
    for trials in (360, 3_050, 6_000, 18_000):
        whole = made_up.history(config, made_up.chains(config, trials // 5)[0], trials)
        chosen, asked = _choices(config, whole), _asks(config, trials)
        print(
            f"| {len(whole.students):,} | {len(whole.points):,} | {1e3 * np.median(chosen):.0f} "
            f"| {1e3 * max(chosen):.0f} | {1e3 * np.median(asked):.0f} | {1e3 * max(asked):.0f} |",
            flush=True,
        )


def _choices(config: StudyConfig, whole: History) -> list[float]:
    search = FreezeThaw(made_up.ground_of(config), trials=10**6, seed=0)
    took = []
    for left in range(CHOICES, -1, -1):
        students = whole.students[: len(whole.students) - left]
        points = tuple(one for one in whole.points if one.number < students[-1].number + 6)
        history = History(points, students, whole.stopped)
        begun = time.perf_counter()
        search.draw(history)
        took.append(time.perf_counter() - begun)
    return took[1:]  # The first reads all of the history's settings, once a process.


def _asks(config: StudyConfig, trials: int) -> list[float]:
    ground = made_up.ground_of(config)
    drawn, distributions = made_up.chains(config, trials // 5)
    past = made_up.history(config, drawn, trials)
    took = []
    with tempfile.TemporaryDirectory() as folder:
        storage = open_storage(Path(folder) / "study.db")
        study = create_or_resume(config, storage)
        made_up.write(storage, config.name, made_up.trials_of(past, distributions))
        reader = HistoryReader(study, storage)
        parts = parts_named("ehvi", "freeze_thaw", ground, trials=10**6, seed=0, reader=reader)
        study.sampler = parts.sampler
        for _ in range(CHOICES // 2 + 1):
            begun = time.perf_counter()
            trial = study.ask()
            chain = suggest(trial, ground.space, ground.settled)
            between = time.perf_counter()
            describe(trial, chain)
            trial.set_user_attr("curve", [[1.0, 0.9]])
            told = time.perf_counter()
            complete(study, trial, made_up.evaluation(0.9, 1_000_000), 0.5, ())
            took.append(time.perf_counter() - told + between - begun)
        storage.engine.dispose()
    return took[1:]


if __name__ == "__main__":
    run_script(main)
