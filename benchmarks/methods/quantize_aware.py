"""Quantization-aware training of given weights, against their rounding after training.

    python -m benchmarks.methods.quantize_aware STUDY --work WORK [--root FOLDER] [--images 4000]
        [--epochs 3] [--layouts w8a8,w4a8,w4,w3,w2] [--method logit] [--learning-rate 0.0002]
        [--set key=value]...

The teacher of the study, trained or loaded, is rounded as it is, to the nearest codes and by the
best calibration (refined+bias_corrected), and trained on through each layout by the stage
quantize_aware, taught by its float self. Prints a row a layout: accuracy of each file on the test
images, and the seconds that each took. What is trained is kept in WORK, so it can be interrupted
and run again.
"""

import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import nn

from benchmarks.methods.outcomes import nearest_scheme, study_parser
from benchmarks.script import run_script
from objectives import TrainedStudent, Verdict, Workbench, check_setup
from objectives.chain import WEIGHTS, StageWork, handler_of
from objectives.models import loaded_model
from objectives.training import AskedTeacher, Sized, TeacherSignal, TrainingMethod
from spaces import (
    METHODS,
    Distill,
    InputError,
    NoTeacher,
    QuantizeAware,
    Scheme,
    StudentConfig,
    Views,
    digest,
    essence,
    scheme_named,
)
from studies import load_study

_LAYOUTS = "w8a8,w4a8,w4,w3,w2"
_BEST = "refined+bias_corrected"


def main() -> None:
    """Train what is missing and print the table."""
    parser = study_parser(__doc__, 1, root="folder of the data, as data.root of the study")
    parser.add_argument("--images", type=int, default=4000, help="training images")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--learning-rate", type=float, default=QuantizeAware().learning_rate)
    parser.add_argument("--method", default="logit", help=", ".join(METHODS))
    parser.add_argument("--layouts", default=_LAYOUTS)
    options = parser.parse_args()
    if options.method not in METHODS:
        raise InputError(f"method must be of {', '.join(METHODS)}, got {options.method!r}")
    given = [f"data.train_limit={options.images}", *options.overrides]
    if options.root is not None:
        given.append(f"data.root={options.root}")
    setup = load_study(options.study, given).setup()
    stages = [
        QuantizeAware(
            layout=layout,
            epochs=options.epochs,
            learning_rate=options.learning_rate,
            method=METHODS[options.method](),
        )
        for layout in options.layouts.split(",")
    ]
    schemes = {stage.layout: nearest_scheme(stage.layout) for stage in stages}
    check_setup(setup, (), (one.name for one in schemes.values()))
    print(*_HEAD, sep="\n", flush=True)
    with Workbench(setup, options.work) as bench:
        for stage in stages:
            for seed in range(options.seeds):
                print(_row(bench, stage, schemes[stage.layout], seed), flush=True)


_HEAD = (
    "| layout | seed | nearest | refined | trained | seconds: nearest | refined | trained |",
    "| --- | --- | --- | --- | --- | --- | --- | --- |",
)


def _row(bench: Workbench, stage: QuantizeAware, nearest: Scheme, seed: int) -> str:
    given = bench.teacher(lambda _: Verdict.GO_ON).weights
    chosen = scheme_named(f"{nearest.name}+{_BEST}")
    weights, training_s = _trained(bench, stage, given, seed)
    results = [
        _score(bench, given, nearest),
        _score(bench, given, chosen),
        _score(bench, weights, nearest),
    ]
    accuracies = [f"{100 * accuracy:.2f}" for accuracy, _ in results]
    seconds = [file_s for _, file_s in results]
    seconds[-1] += training_s
    cells = [f"`{stage.layout}`", str(seed), *accuracies, *(f"{one:.1f}" for one in seconds)]
    return f"| {' | '.join(cells)} |"


@dataclass(frozen=True)
class _Itself:
    """The float network as the teacher of its rounded self."""

    model: nn.Module
    image_size: int

    def signal(self, name: str, method: TrainingMethod, views: Views) -> TeacherSignal:  # noqa: ARG002
        """Return what tells `method` of it; it sees what the student sees."""
        return AskedTeacher(self.model, self.image_size, method)

    def weights(self, name: str) -> Path:
        """Raise InputError: nothing begins with it here."""
        raise InputError(f"a stage begins with {name}, which is not done here")

    def copy(self, name: str, method: TrainingMethod) -> Sized:
        """Raise InputError: there is no second network here."""
        raise InputError(f"{method.settings.kind} trains a copy of {name}, which is not done here")


def _trained(bench: Workbench, stage: QuantizeAware, given: Path, seed: int) -> tuple[Path, float]:
    """Return the weights after the stage, and the seconds that it took."""
    teacher, device = bench.setup.teacher, bench.ground.device
    student = StudentConfig(teacher.network, (Distill(method=NoTeacher()), stage), seed)
    float_model = loaded_model(teacher.network, given, bench.data.classes).eval().to(device)
    itself = _Itself(float_model, teacher.network.image_size)
    work = StageWork(student, given, itself, bench.ground, bench.data.classes)
    key = digest("teacher trained on", bench.keys.teacher(), essence(student))

    def after(epoch: int, result: object, reused: bool) -> bool:
        if not reused:
            print(f"{stage.layout} {seed}: epoch {epoch}, {result}", file=sys.stderr, flush=True)
        return True

    with ExitStack() as leases:
        entry = bench.cache.obtain(
            key, lambda draft: handler_of(stage.kind).build(stage, work, draft, after), leases
        )
    if entry is None:
        raise TypeError("a stage stopped that nobody had told to")
    return entry.path(WEIGHTS), sum(one["seconds"] for one in entry.notes["results"])


def _score(bench: Workbench, weights: Path, scheme: Scheme) -> tuple[float, float]:
    """Return the accuracy of a file on the test images, and the seconds that writing it took."""
    network = bench.setup.teacher.network
    calibration = bench.data.calibration(network.image_size)
    with TemporaryDirectory(prefix="distilfront-") as folder:
        begun = time.perf_counter()
        writer = bench.template(network).writer(weights, calibration)
        writer.write(scheme, Path(folder) / bench.runtime.file_name)
        seconds = time.perf_counter() - begun
    trained = TrainedStudent(key="", weights=weights, accuracy=0.0)
    return bench.evaluate(trained, network, scheme, "test").accuracy, seconds


if __name__ == "__main__":
    run_script(main)
