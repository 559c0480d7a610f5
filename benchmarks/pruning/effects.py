"""What pruning takes of a trained network, and what fine-tuning gives back, over seeds.

    python -m benchmarks.pruning.effects STUDY JOURNAL --work WORK [--seeds 3]
        [--amounts 0.3,0.5,0.7] [--ways even,plan,weights] [--set key=value]...

The network is that of the study's teacher, whose weights are pruned: the chain is `prune` alone, as
the study's table [space.prune] has it. Ways: `even` and `plan` remove channels by `l2`, all layers
alike or by the plan of `search.sensitivity --prune`; `taylor`, `l1` and `batch_norm` remove them
alike by another criterion; `steps` in four steps; `weights` and `weights_plan` leave zeros. Appends
a line a way, amount and seed to JOURNAL: accuracy on test under every scheme of the study, right
after pruning (with the statistics of before) and after fine-tuning. benchmarks.pruning.document
makes the table. What is trained is kept in WORK, so it can be interrupted and run again.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.methods.outcomes import Journal, Outcome, outcome_of, study_parser, tell
from benchmarks.script import run_script
from objectives import TrainedStudent, Workbench, check_setup
from objectives.models import loaded_model, save_weights
from objectives.training import prune_at_once
from spaces import (
    InputError,
    Network,
    Prune,
    Removes,
    Space,
    StudentConfig,
    digest,
    essence,
    plan_of,
)
from spaces import scheme_named as scheme
from studies import load_study

WAYS: Mapping[str, Mapping[str, Any]] = {
    "even": {},
    "plan": {"shares": "plan"},
    "l1": {"criterion": "l1"},
    "batch_norm": {"criterion": "batch_norm"},
    "taylor": {"criterion": "taylor"},
    "any_number": {"multiple": 1},
    "steps": {"steps": 3},
    "weights": {"removes": "weights"},
    "weights_plan": {"removes": "weights", "shares": "plan"},
}
_SCAN_IMAGES = 256


def main() -> None:
    """Train what is missing."""
    parser = study_parser(__doc__, 3, amounts="with commas", ways="with commas")
    parser.add_argument("journal", type=Path)
    parser.set_defaults(amounts="0.3,0.5,0.7", ways="even,plan,weights")
    options = parser.parse_args()
    config = load_study(options.study, options.overrides)
    space, ways = config.search_space(), options.ways.split(",")
    if unknown := set(ways).difference(WAYS):
        raise InputError(f"no way: {', '.join(sorted(unknown))}; known are {', '.join(WAYS)}")
    check_setup(config.setup(), space.networks, space.schemes, space.tried)
    journal = Journal(options.journal)
    with Workbench(config.setup(), options.work) as bench:
        teacher = bench.teacher(tell("teacher"))
        key = digest("teacher", bench.keys.teacher())
        if journal.outcome(key) is None:
            network = bench.setup.teacher.network
            _score(bench, journal, teacher, network, space.schemes, (key, "teacher"))
        plans = _Plans(bench, teacher)
        # Seeds first: an interrupted table has all ways.
        for seed in range(options.seeds):
            for amount in map(float, options.amounts.split(",")):
                for way in ways:
                    student = _student(space, bench, way, amount, seed, plans)
                    who = f"{way} {amount:g}"
                    before = f"{who} before {seed}"
                    _before(bench, journal, teacher, student, space.schemes, before)
                    outcome_of(bench, journal, student, space.schemes, f"{who} {seed}")


class _Plans:
    """Plans by what is removed and how much of it, each made once."""

    def __init__(self, bench: Workbench, teacher: TrainedStudent) -> None:
        self._bench = bench
        self._teacher = teacher
        self._losses: dict[Removes, Any] = {}

    def of(self, removes: Removes, amount: float) -> str:
        """Return the plan under which every layer loses alike."""
        if removes not in self._losses:
            network = self._bench.setup.teacher.network
            self._losses[removes] = self._bench.pruning_losses(
                self._teacher, network, removes, _SCAN_IMAGES
            )
        return plan_of(self._losses[removes], amount)


def _student(
    space: Space, bench: Workbench, way: str, amount: float, seed: int, plans: _Plans
) -> StudentConfig:
    first = next(stage for stage in space.tried if isinstance(stage, Prune))
    settings = dict(WAYS[way])
    if settings.get("shares") == "plan":
        settings["shares"] = plans.of(settings.get("removes", "channels"), amount)
    stage = replace(first, amount=amount, pretrained="teacher", **settings)
    return StudentConfig(bench.setup.teacher.network, (stage,), seed)


def _before(
    bench: Workbench,
    journal: Journal,
    teacher: TrainedStudent,
    student: StudentConfig,
    schemes: Sequence[str],
    who: str,
) -> None:
    """Score a student as pruning leaves it."""
    key = digest("before", essence(student), bench.data.fingerprint)
    if journal.outcome(key) is not None:
        return
    network, (stage,) = student.network, student.stages
    assert isinstance(stage, Prune)
    model = loaded_model(network, teacher.weights, bench.data.classes)
    left, size = student.deployed.pruned, network.image_size
    prune_at_once(model, stage, left, size, bench.ground, student.seed)
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.safetensors"
        save_weights(model, weights)
        pruned = TrainedStudent(key="", weights=weights, accuracy=0.0)
        _score(bench, journal, pruned, student.deployed, schemes, (key, who))


def _score(
    bench: Workbench,
    journal: Journal,
    trained: TrainedStudent,
    network: Network,
    schemes: Sequence[str],
    key_and_name: tuple[str, str],
) -> None:
    scored = {
        name: bench.evaluate(trained, network, scheme(name), "test").accuracy
        for name in dict.fromkeys(["fp32", *schemes])
    }
    journal.write(*key_and_name, Outcome(scored, 0.0))


if __name__ == "__main__":
    run_script(main)
