"""Are the probabilities of the front right? Run: python -m benchmarks.tables.front_probability.

Recipes that a recorded table has on several seeds: each seed in turn is the study, and says how
accurate the recipe will be on the others and which of its points will be on their front. What the
others then were is counted. Nothing is trained; a few seconds a table.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from benchmarks.script import run_script
from benchmarks.tables.recorded import Table, load_table
from objectives.fronts import Beliefs, Cells, Floats, Scored, log_odds

TABLES = Path(__file__).parent
DRAWS = 4000
CONSTANT_SD = 0.013
"""What the tables' README says of all accuracies together, for comparison."""
BINS = (0.02, 0.1, 0.2, 0.3, 0.5, 1.01)


@dataclass(frozen=True)
class Seeds:
    """The points of the repeated recipes of a table, and their accuracies on every seed."""

    table: Table
    points: tuple[Scored, ...]
    """With the accuracies of all seeds."""

    @classmethod
    def of(cls, table: Table) -> "Seeds":
        """Return the recipes of `table` that were recorded on more than one seed."""
        points = []
        for key, others in table.repeats.items():
            trained = [table.students[key], *others]
            network = trained[0].config.deployed.key
            for scheme in table.schemes:
                cost = table.costs.of(network, scheme)
                accuracies = tuple(student.validation[scheme] for student in trained)
                costs = (float(cost.size_bytes), cost.latency_ms)
                points.append(Scored(key, scheme, accuracies, costs))
        return cls(table, tuple(points))

    @property
    def accuracies(self) -> Floats:
        """[points, seeds]."""
        return np.array([point.accuracies for point in self.points])

    def beliefs(self, seeds: Sequence[int]) -> Beliefs:
        """Return what the trainings on some of the seeds say."""
        known = [
            replace(point, accuracies=tuple(point.accuracies[seed] for seed in seeds))
            for point in self.points
        ]
        return Beliefs.of(known, self.table.validation_images)

    def counts(self, seed: int) -> NDArray[np.bool_]:
        """Return [points], True for those above the accuracy floor on `seed`."""
        return self.accuracies[:, seed] > self.table.reference.accuracy_floor


def main() -> None:
    """Print all of it for every table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", nargs="*", type=Path, default=sorted(TABLES.glob("*.parquet")))
    for path in parser.parse_args().tables:
        seeds = Seeds.of(load_table(path))
        recipes = len(seeds.table.repeats)
        print(f"\n## {seeds.table.name}: {recipes} recipes on {seeds.accuracies.shape[1]} seeds\n")
        if recipes:
            _print_coverage(seeds)
            _print_fronts(seeds)
            _print_repeats(seeds)


def _print_coverage(seeds: Seeds) -> None:
    print("| artifacts | pairs of trainings | in the 50 % interval | in the 90 % interval |")
    print("| --- | --- | --- | --- |")
    coarse = np.array([point.scheme in {"int4_weight_only", "w4a8"} for point in seeds.points])
    for words, chosen, off in (
        ("of 8 bits and more", ~coarse, _off_in_odds),
        ("of 4 bits", coarse, _off_in_odds),
        (
            f"all, {100 * CONSTANT_SD:.1f} points for everybody instead",
            coarse | True,
            _off_in_points,
        ),
    ):
        scores = np.concatenate(list(_standardised(seeds, chosen, off)))
        shares = [
            np.mean(np.abs(scores) <= NormalDist().inv_cdf((1 + level) / 2)) for level in (0.5, 0.9)
        ]
        print(f"| {words} | {len(scores)} | {shares[0]:.0%} | {shares[1]:.0%} |")


def _standardised(
    seeds: Seeds, chosen: NDArray[np.bool_], off: Callable[[Seeds, int, int], Floats]
) -> Iterator[Floats]:
    """Yield how far off another training was, in predicted standard deviations of a training."""
    for known in range(seeds.accuracies.shape[1]):
        counting = chosen & seeds.counts(known)
        for other in set(range(seeds.accuracies.shape[1])) - {known}:
            # Both trainings had their own luck.
            yield off(seeds, known, other)[counting] / np.sqrt(2)


def _off_in_odds(seeds: Seeds, known: int, other: int) -> Floats:
    odds = log_odds(seeds.accuracies, seeds.table.validation_images)
    off: Floats = (odds[:, other] - odds[:, known]) / seeds.beliefs([known]).sd
    return off


def _off_in_points(seeds: Seeds, known: int, other: int) -> Floats:
    off: Floats = (seeds.accuracies[:, other] - seeds.accuracies[:, known]) / CONSTANT_SD
    return off


def _print_fronts(seeds: Seeds) -> None:
    print("\n| model | Brier score | by predicted probability: said, was (points) |")
    print("| --- | --- | --- |")
    for words, change in (
        ("as it is", lambda beliefs: beliefs),
        ("each point its own luck", _apart),
        ("no luck", lambda beliefs: _scaled(beliefs, 1e-3)),
    ):
        said, was = _fronts(seeds, change)
        cells = []
        for low, high in pairwise(BINS):
            inside = (said >= low) & (said < high)
            if inside.any():
                cells.append(
                    f"{said[inside].mean():.0%}, {was[inside].mean():.0%} ({inside.sum()})"
                )
        print(f"| {words} | {np.mean((said - was) ** 2):.4f} | {'; '.join(cells)} |")


def _fronts(seeds: Seeds, change: Callable[[Beliefs], Beliefs]) -> tuple[Floats, Floats]:
    """Return each point's probability of being on another seed's front, and whether it was."""
    odds = log_odds(seeds.accuracies, seeds.table.validation_images)
    generator = np.random.default_rng(0)
    said, was = [], []
    for known in range(odds.shape[1]):
        beliefs = change(_scaled(seeds.beliefs([known]), np.sqrt(2)))
        cells = Cells(beliefs.costs)
        shares = cells.on_front(beliefs.draw(DRAWS, generator)).mean(axis=0)
        counting = seeds.counts(known)
        for other in set(range(odds.shape[1])) - {known}:
            # Equal accuracies are put in an order at random, as fresh images would.
            happened = odds[:, other] + 1e-6 * generator.standard_normal(len(odds))
            said.append(shares[counting])
            was.append(cells.on_front(happened[None])[0][counting].astype(float))
    return np.concatenate(said), np.concatenate(was)


def _print_repeats(seeds: Seeds) -> None:
    """Print how sure the front of the mean log odds is when everybody was trained so often."""
    generator = np.random.default_rng(0)
    print("\n| trainings of each | members of their front | probability: least, median, most |")
    print("| --- | --- | --- |")
    for trained in range(1, seeds.accuracies.shape[1] + 1):
        beliefs = seeds.beliefs(range(trained))
        cells = Cells(beliefs.costs)
        members = cells.on_front(beliefs.mean[None])[0] & seeds.counts(0)
        shares = cells.on_front(beliefs.draw(DRAWS, generator)).mean(axis=0)
        three = ", ".join(f"{share:.0%}" for share in np.quantile(shares[members], (0, 0.5, 1)))
        print(f"| {trained} | {members.sum()} | {three} |")


def _scaled(beliefs: Beliefs, factor: float) -> Beliefs:
    common_sd, own_sd = factor * beliefs.common_sd, factor * beliefs.own_sd
    return replace(beliefs, common_sd=common_sd, own_sd=own_sd)


def _apart(beliefs: Beliefs) -> Beliefs:
    return replace(beliefs, common_sd=np.zeros_like(beliefs.common_sd), own_sd=beliefs.sd)


if __name__ == "__main__":
    run_script(main)
