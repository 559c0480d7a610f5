"""What the peers' rules decide and how long it takes. Run: python -m benchmarks.peers.decisions.

Students are made up: any width and scheme, 20 epochs, one worker. The first table asks about each
student's first rung in studies of 60; a newcomer is one with at least three before it. The second
is the time of a ruling over whole studies, of all rulings and of those for the last fifth of the
students. --registry is a checkout of OptunaHub's registry, for the MultiMetricPruner.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import optuna

from benchmarks.peers import MOASHAPruner, MultiMetricPruner, PauseAfterFewEpochs, Ranking
from benchmarks.script import run_script
from benchmarks.timings import TablePrinter, parser_of, problem_of, timed
from objectives.fronts import nondominated
from search.stopping import GoOn, Pruner, StudentInTraining
from spaces import (
    SCHEMES,
    ChainConfig,
    Distill,
    Logit,
    Network,
    StudentConfig,
    scheme_named,
    student_key,
)
from studies import load_study
from studies.records import Curve, History, Student

IMAGES, EPOCHS = 360, 20
PROBLEM = problem_of(load_study("kd_lora_q"))
COSTS, NETWORKS = PROBLEM.costs, PROBLEM.space.networks
Made = list[tuple[ChainConfig, Curve]]


def students(seed: int, count: int) -> Made:
    """Return that many chains, no two alike, each with a whole curve."""
    rng = np.random.default_rng(seed)
    made: Made = []
    for number in range(count):
        progress = np.arange(1, EPOCHS + 1) / EPOCHS
        final, pace = 0.02 + 0.3 * rng.beta(1, 4), 3 * rng.lognormal(1.0, 0.4)
        error = final + (0.9 - final) * np.exp(-pace * progress) * (1 - progress)
        accuracy = rng.binomial(IMAGES, 1 - error) / IMAGES
        curve = tuple(zip(progress.tolist(), accuracy.tolist(), strict=True))
        network = NETWORKS[int(rng.integers(len(NETWORKS)))]
        made.append((chain(number, network, str(rng.choice([*SCHEMES]))), curve))
    return made


def chain(number: int, network: Network, scheme: str) -> ChainConfig:
    """Return the chain of a student that no other number has."""
    method = Logit(alpha=0.5, temperature=1 + number / 10)
    distill = Distill(epochs=EPOCHS, learning_rate=0.01, method=method)
    return ChainConfig(StudentConfig(network, (distill,), seed=0), scheme_named(scheme))


def losses(of: ChainConfig, accuracy: float) -> list[float]:
    """Return what is minimised, at one epoch."""
    cost = COSTS.of(of.student.deployed.key, of.scheme.name)
    return [1 - accuracy, cost.size_bytes, cost.latency_ms]


def stops(printer: TablePrinter, ranking: Ranking, studies: int = 40, count: int = 60) -> None:
    """Print the shares of nondominated and of other newcomers that a ranking stops."""
    seen: dict[bool, list[bool]] = {True: [], False: []}
    for seed in range(studies):
        pruner, rows = MOASHAPruner(COSTS, max_epochs=EPOCHS, ranking=ranking), []
        for its_chain, curve in students(seed, count):
            ruling = pruner.rule(StudentInTraining(History(), its_chain, curve[:1]))
            rows.append(losses(its_chain, curve[0][1]))
            if len(rows) > 3:
                front = bool(nondominated(np.array(rows))[-1])
                seen[front].append(not isinstance(ruling, GoOn))
    shares = (f"{np.mean(those):.1%} of {len(those):,}" for those in (seen[True], seen[False]))
    printer.row(ranking, *shares)


def times(printer: TablePrinter, name: str, made: Pruner, count: int) -> None:
    """Print how long a ruling takes in a study of that many students."""
    ended: list[Student] = []
    spent: list[list[float]] = []
    for number, (its_chain, curve) in enumerate(students(0, count)):
        history, mine = History(students=tuple(ended)), []
        for epochs in range(1, EPOCHS):
            asked = StudentInTraining(history, its_chain, curve[:epochs])
            ruling_s, ruling = timed(partial(made.rule, asked))
            mine.append(1e6 * ruling_s)
            if not isinstance(ruling, GoOn):
                break
        else:
            key, when = student_key(its_chain.student), datetime.now(UTC)
            ended.append(Student(number, key, its_chain, curve, (), None, when, curve[-1][1]))
        spent.append(mine)
    every = np.concatenate([np.array(mine) for mine in spent])
    late = np.concatenate([np.array(mine) for mine in spent[-(count // 5) :]])
    printer.row(name, count, len(every), float(every.mean()), float(late.mean()))


def main() -> None:
    """Print both tables."""
    parser = parser_of(__doc__)
    parser.add_argument("--registry", type=Path)
    options = parser.parse_args()
    registry: Path | None = options.registry
    printer = TablePrinter(as_json=options.json)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    shares = ("nondominated newcomers stopped", "other newcomers stopped")
    printer.head(dict.fromkeys(("MOASHA's ranking", *shares), ""))
    peers: dict[str, Callable[[], Pruner]] = {"few epochs": lambda: PauseAfterFewEpochs(3)}
    for ranking in get_args(Ranking):
        stops(printer, ranking)
        peers[f"MOASHA, {ranking}"] = partial(
            MOASHAPruner, COSTS, max_epochs=EPOCHS, ranking=ranking
        )
    if registry is not None:
        peers["MultiMetricPruner"] = partial(MultiMetricPruner, registry, COSTS, quick=False)
        peers["MultiMetricPruner, quick"] = partial(MultiMetricPruner, registry, COSTS)
    printer.head(
        {
            "rule": "",
            "students": "d",
            "rulings": ",",
            "mean µs": ",.0f",
            "mean µs, last fifth": ",.0f",
        },
        words="" if registry else "Without --registry the MultiMetricPruner is left out.",
    )
    for count in (100, 300):
        for name, peer in peers.items():
            times(printer, name, peer(), count)


if __name__ == "__main__":
    run_script(main)
