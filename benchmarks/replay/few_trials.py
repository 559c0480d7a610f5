"""Real searches of few trials, by this code and by another checkout: is their front taught.

    python -m benchmarks.replay.few_trials kd_lora_q --work WORK [--than CHECKOUT] [--seeds 5] \
        [--trials 10] [--set key=value]...

Every search is `search.run` with one worker, in a runs folder of its own: teacher and students have
its seed. Costs are accuracy and bytes, which repeat where latencies do not. Prints a row a search
and the means: hypervolume (of the study's own reference, as the report has it), the most accurate
student on test, how many of the front's students were taught, and the seconds of their training.
Searches that are there already are gone on with, so it can be interrupted and run again.
"""

import argparse
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

from benchmarks.replay.freeze import code_commit
from benchmarks.script import run_script
from objectives.fronts import hypervolume
from reports import StudySummary
from studies import StudyFolder, load_study, open_storage, open_study

ROOT = Path(__file__).parents[2]
SETTINGS = ('objectives=["accuracy","size_bytes"]', "costs.processes=1", "costs.calls=20")
HEAD = "| code | seed | hypervolume | best student, test | front, taught | training, s |"


@dataclass(frozen=True)
class Outcome:
    """What one search came to."""

    hypervolume: float
    test_accuracy: float
    """Of the student that is best on validation, in [0, 1]."""
    front: int
    """Members that are students."""
    taught: int
    """Of these, how many had a teacher."""
    training_s: float


def main() -> None:
    """Make the searches that are missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", help="a built-in study's name or a file")
    parser.add_argument("--work", type=Path, required=True, help="runs folders")
    parser.add_argument("--than", type=Path, help="another checkout, run beside this one")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    options = parser.parse_args()
    settings = (*SETTINGS, *options.overrides)
    study = (
        str(Path(options.study).absolute()) if options.study.endswith(".toml") else options.study
    )
    checkouts = {code_commit()[:7]: ROOT}
    if options.than is not None:
        checkouts[options.than.name] = options.than.absolute()
    print(HEAD)
    print("|" + " --- |" * (HEAD.count(" | ") + 1), flush=True)
    found: dict[str, list[Outcome]] = {name: [] for name in checkouts}
    for seed in range(options.seeds):
        for name, checkout in checkouts.items():
            runs = options.work.absolute() / f"{name}-{seed}"
            _search(checkout, study, settings, runs, seed, options.trials)
            found[name].append(_outcome(study, settings, runs))
            print(_row(name, str(seed), found[name][-1:]), flush=True)
    for name, outcomes in found.items():
        print(_row(name, "all", outcomes))


def _search(
    checkout: Path, study: str, settings: tuple[str, ...], runs: Path, seed: int, trials: int
) -> None:
    command = ["-m", "search.run", "--study", study, "--runs-dir", str(runs), "--workers", "1"]
    for setting in settings:
        command += ["--set", setting]
    subprocess.run(
        [sys.executable, *command, "--seed", str(seed), "--trials", str(trials)],
        cwd=checkout,  # `python -m` looks there first.
        stdout=subprocess.DEVNULL,
        check=True,
    )


def _outcome(study: str, settings: tuple[str, ...], runs: Path) -> Outcome:
    name = load_study(study, list(settings)).name
    storage = open_storage(StudyFolder(runs, name).database, must_exist=True)
    summary = StudySummary.load(open_study(name, storage))
    storage.engine.dispose()
    points = [summary.points[number] for member in summary.front for number in member.numbers]
    chains = [point.chain for point in points if point.chain is not None]
    students = [point for point in points if point.chain is not None]
    best = max(students, key=lambda point: point.accuracy)
    test = summary.test_score(best.number)
    return Outcome(
        hypervolume=hypervolume(summary.history.points, summary.reference, summary.objectives),
        test_accuracy=float(test["accuracy"]) if test else float("nan"),
        front=len(chains),
        taught=sum(chain.student.needs_teacher for chain in chains),
        training_s=sum(
            record.seconds - record.seconds_reused
            for student in (*summary.history.students, *summary.history.pruned)
            for record in student.stages
        ),
    )


def _row(name: str, seed: str, outcomes: list[Outcome]) -> str:
    def said(values: list[float], form: str) -> str:
        spread = f" (± {stdev(values) / len(values) ** 0.5:{form}})" if len(values) > 1 else ""
        return f"{mean(values):{form}}{spread}"

    return (
        f"| {name} | {seed} | {said([one.hypervolume for one in outcomes], '.4f')} "
        f"| {said([one.test_accuracy for one in outcomes], '.4f')} "
        f"| {sum(one.front for one in outcomes)}, {sum(one.taught for one in outcomes)} "
        f"| {said([one.training_s for one in outcomes], '.0f')} |"
    )


if __name__ == "__main__":
    run_script(main)
