"""A recorded table of eight students whose times can be added up by hand."""

from collections.abc import Callable

import numpy as np

from benchmarks.tables.recorded import RecordedStage, RecordedStudent, Table, table_of
from objectives.costs.table import Cost, CostTable
from spaces import StudentConfig, scheme_named
from studies import StudyConfig, parse_study

SCHEMES = ("fp32", "int8_static")
IMAGES = 200
DISTILL_EPOCHS, ADAPT_EPOCHS = 3, 2
TEACHER = {
    "accuracy": 0.9,
    "test_accuracy": 0.9,
    "seconds": 100.0,
    "validation": {"fp32": 0.9, "int8_static": 0.89},
    "test": {"fp32": 0.9, "int8_static": 0.89},
}


def config() -> StudyConfig:
    return parse_study(
        {
            "name": "tiny",
            "seed": 7,
            "data": {"name": "digits"},
            "teacher": {
                "architecture": "cifar_resnet20",
                "training": {"epochs": 2, "learning_rate": 0.01},
            },
            "chain": {"stages": ["distill", "adapt"]},
            "space": {
                "network": {"architecture": "cifar_resnet20", "width": [0.25, 0.5]},
                "distill": {
                    "epochs": DISTILL_EPOCHS,
                    "alpha": [0.0, 0.9],
                    "temperature": [4],
                    "learning_rate": [0.01],
                },
                "adapt": {
                    "epochs": ADAPT_EPOCHS,
                    "rank": [0, 4],
                    "lora_alpha": [8],
                    "dropout": [0.0],
                    "targets": ["dense"],
                    "learning_rate": [0.003],
                },
                "quantize": {"scheme": list(SCHEMES)},
            },
            "bounds": {"accuracy_of_teacher": 0.5},
        },
        "the tests",
    )


def table(seconds: Callable[[StudentConfig], tuple[float, float]] | None = None) -> Table:
    """Return the table; `seconds` gives those of an epoch of distilling and of adapting.

    Without it a width of 0.5 distils in 10 s an epoch and 0.25 in 5 s, and any adapts in 4 s.
    Every evaluation takes 1 s. Accuracies are made up at random, the same every time.
    """
    study = config()
    space = study.search_space()
    rng = np.random.default_rng(0)
    distilled: dict[StudentConfig, RecordedStage] = {}
    students = []
    for student in space.students():
        first = student.prefix(1)
        epoch_s, adapt_s = seconds(student) if seconds else (20 * student.network.width, 4.0)
        distilled.setdefault(
            first,
            RecordedStage(
                tuple(np.sort(rng.integers(80, 170, DISTILL_EPOCHS) / IMAGES).tolist()),
                (epoch_s,) * DISTILL_EPOCHS,
            ),
        )
        stages = [distilled[first]]
        if student != first:
            steps = rng.integers(0, 10, ADAPT_EPOCHS) / IMAGES
            accuracies = (stages[0].accuracies[-1] + np.cumsum(steps)).tolist()
            stages.append(RecordedStage(tuple(accuracies), (adapt_s,) * ADAPT_EPOCHS))
        final = stages[-1].accuracies[-1]
        accuracy = {"fp32": final, "int8_static": final - 0.01}
        times = dict.fromkeys(SCHEMES, 1.0)
        students.append(RecordedStudent(student, tuple(stages), accuracy, accuracy, times))
    networks = (study.setup().teacher.network, *space.networks)
    costs = tuple(
        Cost(
            network=network.key,
            layout=scheme_named(scheme).layout.key,
            size_bytes=int(1e6 * network.width) >> 2 * step,
            median_ms=network.width / (1 + step),
            p95_ms=network.width,
            repeatability=0.01,
            latency_ms=network.width / (1 + step),
            flops=1,
            parameters=1,
        )
        for network in networks
        for step, scheme in enumerate(SCHEMES)
    )
    cost_table = CostTable(
        costs, networks[0].key, "onnxruntime", {}, processes=1, calls=20, threads=1
    )
    return table_of(study, cost_table, TEACHER, students, validation_images=IMAGES, meta={})
