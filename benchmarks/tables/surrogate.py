"""A surrogate of a recorded table: what becomes of students that are not in it.

It knows what tables vary, a student that is distilled and may be adapted; whatever else a space
searches is refused, not passed over.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.tables.oracle_search import prefix_key
from benchmarks.tables.recorded import RecordedStage, RecordedStudent, Table
from benchmarks.tables.regression import Regression
from search.forecasts import accuracy_of, log_error
from spaces import SCHEME_KEY, Adapt, Distill, InputError, Logit, Space, StudentConfig, student_key

Floats = NDArray[np.float64]

BETWEEN = ("distill.alpha", "distill.temperature", "distill.learning_rate", "adapt.rank")
"""Settings that may lie anywhere between recorded ones; the others must have been recorded."""

_KNOWN = (
    *BETWEEN,
    "network.width",
    "adapt.lora_alpha",
    "adapt.dropout",
    "adapt.targets",
    "adapt.learning_rate",
    SCHEME_KEY,
)
_CHAINS = (("distill",), ("distill", "adapt"))


def require_known(space: Space) -> None:
    """Raise InputError unless all that `space` searches is known to a surrogate."""
    if space.stages not in _CHAINS or set(space.values("distill.method")) != {"logit"}:
        raise InputError(
            "a surrogate knows students that are distilled by logits, and may be adapted: the "
            f"stages are {', '.join(space.stages)}"
        )
    unknown = [name for name in space.searched if name not in _KNOWN]
    if unknown:
        raise InputError(f"a surrogate knows nothing of {unknown[0]}, only of {', '.join(_KNOWN)}")


class Surrogate:
    """Answers for students that a table has not, by three regressions over settings.

    They are of the log errors of distilling; of how adapting changes the last of these, given it;
    and of how every scheme changes the last of all, given that. Log seconds go along.
    """

    def __init__(self, table: Table) -> None:
        """Fit to the students of `table` on its own seed; raises InputError as require_known."""
        require_known(table.config.search_space())
        self.table = table
        students = list(table.students.values())
        self._targets = sorted({name for one in students for name in _targets(one.config)})
        first = {prefix_key(one): one for one in students}
        self._recorded = {prefix: one.stages[0] for prefix, one in first.items()}
        adapted = [one for one in students if len(one.stages) > 1]
        self._distil = Regression(
            [_recipe(one.config) for one in first.values()],
            [self._row(one.stages[0]) for one in first.values()],
            list(first),
        )
        self._adapt = (
            Regression(
                [self._given(one.config, one.stages[0]) for one in adapted],
                [self._row(one.stages[1], one.stages[0]) for one in adapted],
                [prefix_key(one) for one in adapted],
            )
            if adapted
            else None
        )
        self._score = Regression(
            [self._given(one.config, one.stages[-1]) for one in students],
            [self._score_row(one) for one in students],
            [prefix_key(one) for one in students],
        )

    def answers(
        self, configs: Sequence[StudentConfig], *, luck: bool, without: str | None = None
    ) -> list[RecordedStudent]:
        """Return what becomes of `configs`; a recorded distillation is as it was.

        luck: add what was not foreseen of a recorded student, drawn by the settings. without: key
        of a distillation that is unknown, and with it all students that share it.
        """

        def foreseen(
            regression: Regression, names: Sequence[str], features: Sequence[list[float]]
        ) -> Floats:
            rows = regression.predict(features, without)
            return rows + regression.luck(names) if luck else rows

        keys = [student_key(config) for config in configs]
        prefixes = [student_key(config.prefix(1)) for config in configs]
        first = dict(zip(prefixes, configs, strict=True))
        rows = foreseen(self._distil, list(first), [_recipe(one) for one in first.values()])
        distills = {key: self._stage(row) for key, row in zip(first, rows, strict=True)}
        distills |= {
            key: self._recorded[key] for key in first if key in self._recorded and key != without
        }
        stages = [(distills[prefix],) for prefix in prefixes]
        adapting = [i for i, config in enumerate(configs) if len(config.stages) > 1]
        adapts: dict[int, RecordedStage] = {}
        if self._adapt and adapting:
            given = [self._given(configs[i], stages[i][0]) for i in adapting]
            rows = foreseen(self._adapt, [keys[i] for i in adapting], given)
            adapts = {
                i: self._stage(row, stages[i][0]) for i, row in zip(adapting, rows, strict=True)
            }
        whole = [(*its, adapts[i]) if i in adapts else its for i, its in enumerate(stages)]
        given = [self._given(config, its[-1]) for config, its in zip(configs, whole, strict=True)]
        rows = foreseen(self._score, keys, given)
        return [
            RecordedStudent(config, its, *self._scores(row, its[-1]))
            for config, its, row in zip(configs, whole, rows, strict=True)
        ]

    def _given(self, config: StudentConfig, end: RecordedStage) -> list[float]:
        """Return what depends on all settings and on where the stage before ended."""
        adapter = [0.0] * (4 + len(self._targets))
        for adapt in _adapt_stages(config):
            adapter = [
                math.log(1 + adapt.rank),
                math.log(adapt.lora_alpha),
                adapt.dropout,
                math.log(adapt.learning_rate),
                *(float(adapt.targets == name) for name in self._targets),
            ]
        return [*_recipe(config), *adapter, self._log_error(end.accuracies[-1])]

    def _row(self, stage: RecordedStage, before: RecordedStage | None = None) -> Floats:
        """Return a stage's log errors, less the last one before it, and its log seconds."""
        start = self._log_error(before.accuracies[-1]) if before else 0.0
        changes = [self._log_error(accuracy) - start for accuracy in stage.accuracies]
        return np.concatenate([changes, np.log(stage.seconds)])

    def _stage(self, row: Floats, before: RecordedStage | None = None) -> RecordedStage:
        """Return the stage of a row."""
        start = self._log_error(before.accuracies[-1]) if before else 0.0
        changes, seconds = np.split(row, 2)
        return RecordedStage(
            tuple(self._accuracy(start + change) for change in changes),
            tuple(np.exp(seconds).tolist()),
        )

    def _score_row(self, student: RecordedStudent) -> Floats:
        """Return by scheme the changes of the log error on both splits, and log seconds."""
        end = self._log_error(student.accuracy)
        changes = [
            self._log_error(split[scheme]) - end
            for split in (student.validation, student.test)
            for scheme in self.table.schemes
        ]
        seconds = [math.log(student.evaluation_seconds[scheme]) for scheme in self.table.schemes]
        return np.array([*changes, *seconds])

    def _scores(self, row: Floats, end: RecordedStage) -> tuple[dict[str, float], ...]:
        """Return validation, test and seconds by scheme."""
        start, schemes = self._log_error(end.accuracies[-1]), self.table.schemes
        validation, test, seconds = (
            dict(zip(schemes, part, strict=True)) for part in np.split(row, 3)
        )
        return (
            {name: self._accuracy(start + change) for name, change in validation.items()},
            {name: self._accuracy(start + change) for name, change in test.items()},
            {name: math.exp(log) for name, log in seconds.items()},
        )

    def _log_error(self, accuracy: float) -> float:
        return log_error(accuracy, self.table.validation_images)

    def _accuracy(self, log: float) -> float:
        """Return a share of whole images."""
        images = self.table.validation_images
        return max(0, round(images * accuracy_of(log, images))) / images


def _recipe(config: StudentConfig) -> list[float]:
    """Return what distilling depends on; without the teacher there is no temperature."""
    distill = config.stages[0]
    assert isinstance(distill, Distill)
    assert isinstance(distill.method, Logit)
    method = distill.method
    softening = math.log(method.temperature) if method.needs_teacher else 0.0
    return [
        math.log(config.network.width),
        math.log(distill.learning_rate),
        method.alpha,
        method.alpha * softening,
    ]


def _adapt_stages(config: StudentConfig) -> list[Adapt]:
    return [stage for stage in config.stages if isinstance(stage, Adapt)]


def _targets(config: StudentConfig) -> tuple[str, ...]:
    return tuple(stage.targets for stage in _adapt_stages(config))
