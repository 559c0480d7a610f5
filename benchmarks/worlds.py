"""Parallel worlds of recorded tables: the same grids, with other luck.

    python -m benchmarks.worlds benchmarks/tables/*.parquet --out runs/worlds [--worlds 6]

A recorded table holds one draw of what settings do not tell, and a search that was tuned on it is
tuned to that draw. In a world every distilled checkpoint ends as the surrogate of
benchmarks.off_grid expects of its settings, but for what it did not foresee of another recorded
checkpoint of the same width; so do all students made of it, as those made of the other do. Whoever
settles a strategy looks at worlds; what it is worth, recorded tables say. Worlds are
OUT/NAME_0.parquet and on, which benchmarks.compare takes as any other table.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

from benchmarks.off_grid import Stage, Surrogate
from benchmarks.oracle import prefix_key
from benchmarks.recorded import Table, load_table, table_of
from benchmarks.script import run_script
from search.prospects import checkpoint_key
from spaces import Adaptation, StudentConfig, every_student
from studies import parse_study


def main() -> None:
    """Write the worlds and print what each holds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", type=Path, nargs="+", help="files that benchmarks.record made")
    parser.add_argument("--out", type=Path, required=True, help="folder of the worlds")
    parser.add_argument("--worlds", type=int, default=6, help="how many of each table")
    options = parser.parse_args()
    print("| table | world | true hypervolume | recorded |\n| --- | --- | --- | --- |")
    for path in options.tables:
        surrogate = Surrogate(load_table(path))
        recorded = surrogate.table.true_hypervolume
        for number in range(options.worlds):
            table = world(surrogate, number)
            table.save(options.out / f"{table.name}.parquet")
            words = f"{table.true_hypervolume:.4f} | {recorded:.4f}"
            print(f"| {surrogate.table.name} | {number} | {words} |", flush=True)


def world(surrogate: Surrogate, number: int) -> Table:
    """Return the table of `surrogate` with the luck of world `number`."""
    table, donors = surrogate.table, _Donors(surrogate, number)
    config = parse_study(
        {**table.config.to_dict(), "name": f"{table.name}_{number}"}, f"world {number}"
    )
    students = list(every_student(config.search_space(), config.settled()))
    return table_of(
        config,
        table.costs,
        table.teacher,
        surrogate.answers(students, luck=donors.row_of, anew=True),
        validation_images=table.validation_images,
        meta={**table.meta, "world": number},
    )


class _Donors:
    """Whose luck every checkpoint has, with all that is made of it."""

    def __init__(self, surrogate: Surrogate, world: int) -> None:
        checkpoints = {prefix_key(one): one for one in surrogate.recorded["distil"]}
        by_width: dict[float, list[str]] = defaultdict(list)
        for key, one in checkpoints.items():
            by_width[one.config.architecture.width].append(key)
        draws = np.random.default_rng(world)
        self._donors = {
            key: str(draws.choice(by_width[one.config.architecture.width]))
            for key, one in checkpoints.items()
        }
        self._rows = {
            stage: {_name(stage, prefix_key(one), one.config): row for row, one in enumerate(known)}
            for stage, known in surrogate.recorded.items()
        }

    def row_of(self, stage: Stage, student: StudentConfig) -> int:
        """See benchmarks.off_grid.Luck."""
        donor = self._donors[checkpoint_key(student)]
        return self._rows[stage][_name(stage, donor, student)]


def _name(stage: Stage, checkpoint: str, student: StudentConfig) -> tuple[str, Adaptation | None]:
    """Return what tells the students of a stage apart."""
    return checkpoint, None if stage == "distil" else student.adaptation


if __name__ == "__main__":
    run_script(main)
