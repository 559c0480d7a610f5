"""What a study would do, shown without doing any of it: settings, space, stages, rough time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from objectives import load_data, seconds_an_image
from reports import counted, duration
from spaces import Network, Space, Steps, StudySetup, TrainTeacher
from studies import StudyConfig

_MOST_NETWORKS = 3
"""Networks that are timed: the first, the middle one and the last."""


def show_plan(console: Console, config: StudyConfig, origins: Mapping[str, str]) -> None:
    """Print every setting of a study with its domain and origin, and what it comes to.

    origins: where a key was set, `file` or `--set`; what is not there is a default.
    """
    space = config.search_space()
    console.print(f"Study {config.name} as it would run; nothing is written or trained.\n")
    table = Table("setting", "value or domain", "from", box=None, pad_edge=False)
    for name, value in _flat(config.to_dict()).items():
        if not name.startswith("space."):
            table.add_row(name, str(value), _origin(name, origins))
    table.add_section()
    for name in config.space.domains:  # Those of methods that the study does not have say nothing.
        key = f"space.{name}"
        table.add_row(key, _domain_in_words(space, name), _origin(key, origins))
    console.print(table, highlight=False)
    students = f"{space.size:,}" if space.size is not None else "more than 100,000"
    searched, setup = len(space.searched), config.setup()
    for one in setup.teachers:
        console.print(f"\nTeacher {one.name}: {one.made.in_words}", end="", highlight=False)
    console.print(
        f"\nChain: {' or '.join(_chain(order) for order in space.orders)}\n"
        f"Space: {students} students on {counted(len(space.networks), 'network')}, each under "
        f"{counted(len(space.schemes), 'scheme')}; {counted(searched, 'setting')} "
        f"{'is' if searched == 1 else 'are'} searched",
        highlight=False,
    )
    console.print(_Time.of(setup, space, config).words, highlight=False)


def _chain(order: Sequence[str]) -> str:
    return " → ".join(["teacher", *order, "quantize"])


def _origin(name: str, origins: Mapping[str, str]) -> str:
    """Return where a key, or a table that it stands in, was set."""
    parts = name.split(".")
    above = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((origins[each] for each in above if each in origins), "default")


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _domain_in_words(space: Space, name: str) -> str:
    domain, values = space.domains.get(name), space.values(name)
    if len(values) == 1:
        return _word(values[0])
    if isinstance(domain, Steps):
        return f"{domain.low:g} to {domain.high:g} in steps of {domain.step:g}"
    return ", ".join(map(_word, values))


def _word(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class _Time:
    """Rough seconds of training."""

    teacher_s: float
    quickest_s: float
    longest_s: float
    all_s: float
    config: StudyConfig

    @classmethod
    def of(cls, setup: StudySetup, space: Space, config: StudyConfig) -> "_Time":
        data = load_data(setup.data)
        images, classes = data.images_in("train"), data.classes
        teacher_s = 0.0
        for teacher in setup.networks_of_teachers.values():
            if isinstance(teacher.weights, TrainTeacher):
                batch_size = teacher.weights.schedule.batch_size
                pace = seconds_an_image(setup, teacher.network, batch_size, classes)
                teacher_s += teacher.weights.epochs * images * pace
        paces = [
            seconds_an_image(setup, network, _batch_size(space), classes)
            for network in _some(space.networks)
        ]
        epochs = [
            [float(value) for value in space.values(f"{kind}.epochs")] for kind in space.stages
        ]
        least, most = (sum(map(bound, epochs)) for bound in (min, max))
        usual = (least + most) / 2 * images * sum(paces) / len(paces)
        return cls(
            teacher_s,
            least * images * min(paces),
            most * images * max(paces),
            teacher_s + config.trials * usual / config.workers,
            config,
        )

    @property
    def words(self) -> str:
        plural = "s" if self.config.teachers else ""
        teacher = f"teacher{plural} about {duration(self.teacher_s)}; " if self.teacher_s else ""
        trials, workers = self.config.trials, self.config.workers
        most = "its trial to its end" if trials == 1 else f"all {trials} trials to their ends"
        return (
            f"Training, by a few steps timed just now: {teacher}a student about "
            f"{duration(self.quickest_s)} to {duration(self.longest_s)}; {most} "
            f"about {duration(self.all_s)} with {counted(workers, 'worker')}. "
            "A search ends most of them sooner."
        )


def _some(networks: tuple[Network, ...]) -> list[Network]:
    chosen = (networks[0], networks[len(networks) // 2], networks[-1])
    return list(dict.fromkeys(chosen))[:_MOST_NETWORKS]


def _batch_size(space: Space) -> int:
    return int(space.values(f"{space.stages[0]}.batch_size")[0])
