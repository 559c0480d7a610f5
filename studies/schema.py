"""What a study file says: one named search, whole and valid."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

from pydantic import Field, ValidationInfo, field_serializer, field_validator
from pydantic_core import PydanticCustomError

from objectives import MEASURES
from spaces import (
    ORDER_KEY,
    SEED,
    THREADS,
    Choice,
    InputError,
    MeasureName,
    Space,
    StudySetup,
    digest,
    is_users_function,
    keys_of,
    order_in_words,
    sensitivity_of,
)
from studies.bounds_table import BoundsTable
from studies.folder import check_name
from studies.paths import with_absolute_paths
from studies.report_table import ReportTable
from studies.space_table import SpaceTable, is_default, nested, read_space, written
from studies.tables import ChainTable, DataTable, Table, TeacherTable
from studies.teacher_tables import NamedTeacherTable, faults_of_teachers, named_teachers

_MOST_TRIALS = 100_000

SPACE_FAULTS = "space_faults"
"""Type of the error that holds all faults of [space]."""

Objective = Literal["accuracy", "balanced_accuracy", "f1", "size_bytes", "latency_ms"]

OBJECTIVES: tuple[Objective, ...] = ("accuracy", "size_bytes", "latency_ms")
"""In this order everywhere; accuracy is maximised, the others are minimised."""


class RuntimeTable(Table):
    """[runtime]: what runs the artifacts, and how arithmetic is done."""

    name: Literal["onnxruntime", "executorch", "openvino"] = "onnxruntime"
    """What runs the artifacts; their costs and accuracies are its own."""
    threads: int = Field(1, ge=THREADS.least, le=THREADS.most)
    """CPU threads of training, of scoring and of the latency measured."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where training happens."""


class PruningTable(Table):
    """[pruning]: when a student is stopped."""

    name: Literal["freeze_thaw", "known_costs", "none"] = "freeze_thaw"
    """`freeze_thaw` also pauses what others are worth more than; `known_costs` only stops."""
    delta: float = Field(0.1, ge=1e-6, lt=1)
    """Level: the share of students whose final accuracy may lie above the bound."""
    audit_share: float = Field(0.2, ge=0, le=1)
    """Share of the students to be stopped that run on, to see whether stopping was right."""


class SamplerTable(Table):
    """[sampler]: how the next student is chosen."""

    name: Literal["ehvi", "tpe", "nsgaii", "gp", "random", "qmc"] = "ehvi"
    """`ehvi`: by expected hypervolume per second of training; the others are Optuna's."""
    startup: int = Field(10, ge=1, le=_MOST_TRIALS)
    """Sampled trials drawn at random before the sampler learns."""


class CostsTable(Table):
    """[costs]: how latency is measured."""

    processes: int = Field(3, ge=1, le=100)
    """Fresh processes each artifact is timed in."""
    calls: int = Field(200, ge=20, le=100_000)
    """Timed calls per process, after warm-up."""
    machine: str = ""
    """The one that measures, as `hostname` prints it; with none, whoever comes first to it."""


_Loss = Annotated[float, Field(ge=0, le=1e6, strict=True)]

_BOUNDS_OF = {
    "size_bytes": ("size_of_teacher", "size_mb"),
    "latency_ms": ("latency_of_teacher", "latency_ms"),
}
"""Keys of [bounds] by the objective that they bound."""


class StudyConfig(Table):
    """A study file. What decides results is its identity; the rest may change on resume."""

    name: str
    """Of the study and its folder."""
    objectives: tuple[Objective, ...] = OBJECTIVES
    """Two or all three, accuracy first."""
    seed: int = Field(0, ge=SEED.least, lt=SEED.below)
    """Of the teacher, of every student and of the sampler."""
    trials: int = Field(40, ge=1, le=_MOST_TRIALS)
    """Sampled trials in all."""
    least_gain_per_hour: float = Field(0.0, ge=0, le=100)
    """The study ends when its next hour is expected to add less than this share of the
    hypervolume; at 0 it never ends before its trials."""
    workers: int = Field(1, ge=1, le=256)
    """Processes that run trials on this machine."""
    modules: tuple[str, ...] = ()
    """Folders in which a `module:function` is looked for, after the current one; that of the
    study file is always among them."""
    data: DataTable
    teacher: TeacherTable
    teachers: dict[str, NamedTeacherTable] = Field({})
    chain: ChainTable = ChainTable()
    space: SpaceTable = Field(SpaceTable({}), validate_default=True)
    runtime: RuntimeTable = RuntimeTable()
    pruning: PruningTable = PruningTable()
    sampler: SamplerTable = SamplerTable()
    costs: CostsTable = CostsTable()
    sensitivity: dict[str, tuple[_Loss, _Loss, _Loss, _Loss]] = Field({})
    """By layer, what it loses with 8, 4, 3 and 2 bits a weight: nats an image, measured by
    `python -m search.sensitivity`, which prints this table. Schemes of bits by layer need it."""
    bounds: BoundsTable = BoundsTable()
    report: ReportTable = ReportTable()

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, name: str) -> str:
        try:
            check_name(name)
        except InputError as error:
            raise ValueError(str(error)) from error
        return name

    @field_validator("teachers")
    @classmethod
    def _go_together(
        cls, teachers: dict[str, NamedTeacherTable], info: ValidationInfo
    ) -> dict[str, NamedTeacherTable]:
        own, data = info.data.get("teacher"), info.data.get("data")
        if own is not None and data is not None:
            try:
                named_teachers(own, teachers, data.image_size)
            except InputError as error:
                raise ValueError(str(error)) from error
        return teachers

    @field_validator("space", mode="plain")
    @classmethod
    def _read(cls, space: Any, info: ValidationInfo) -> SpaceTable:
        if isinstance(space, SpaceTable) and space.domains:
            return space
        values = {} if isinstance(space, SpaceTable) else space
        if not isinstance(values, Mapping):  # A TypeError would not be collected.
            raise ValueError(f"must be a table, got {values!r}")  # noqa: TRY004
        # Whatever is wrong itself is missing here, and has its own fault.
        chain, data = info.data.get("chain", ChainTable()), info.data.get("data")
        if "chain" not in info.data:  # Which other tables there can be nobody knows.
            tables = ("network", *chain.stages, "quantize")
            values = {name: values[name] for name in tables if name in values}
        table, faults = read_space(
            values, chain.stages, data.image_size if data else 32, chain.orders
        )
        if not faults and (teachers := info.data.get("teachers")) is not None:
            faults = faults_of_teachers(table.domains, keys_of(chain.stages), teachers)
        if faults:
            raise PydanticCustomError(SPACE_FAULTS, "{faults}", {"faults": faults})
        return table

    @field_serializer("space")
    def _as_written(self, space: SpaceTable) -> dict[str, Any]:
        return space.as_written()

    @field_validator("objectives")
    @classmethod
    def _in_order(cls, objectives: tuple[Objective, ...]) -> tuple[Objective, ...]:
        first, *costs = objectives
        kept = [name for name in OBJECTIVES[1:] if name in costs]
        if first not in MEASURES or costs != kept or not kept:
            raise ValueError(
                f"must be {' or '.join(MEASURES)}, and one or both of size_bytes and latency_ms, "
                f"in this order, as {', '.join(OBJECTIVES)}"
            )
        return objectives

    @field_validator("sampler")
    @classmethod
    def _forecasts(cls, sampler: SamplerTable, info: ValidationInfo) -> SamplerTable:
        # Whatever is wrong itself is missing here, and has its own fault.
        least, pruning = info.data.get("least_gain_per_hour"), info.data.get("pruning")
        if least and pruning and not _forecast(sampler, pruning):
            raise ValueError(
                f"with least_gain_per_hour = {least:g} it must be ehvi, or the pruner freeze_thaw: "
                f"{sampler.name} with {pruning.name} forecasts nothing"
            )
        return sampler

    @field_validator("bounds")
    @classmethod
    def _of_objectives(cls, bounds: BoundsTable, info: ValidationInfo) -> BoundsTable:
        chosen = info.data.get("objectives", OBJECTIVES)
        for objective, keys in _BOUNDS_OF.items():
            if objective not in chosen and (said := [k for k in keys if getattr(bounds, k)]):
                raise ValueError(
                    f"{' and '.join(said)} bounds {objective}, which is none of the study's "
                    f"objectives: {', '.join(chosen)}"
                )
        return bounds

    @property
    def makes_forecasts(self) -> bool:
        """Whether sampler or pruner expect anything of students that were not trained yet."""
        return _forecast(self.sampler, self.pruning)

    def setup(self) -> StudySetup:
        """Return what all students share."""
        tables = (self.teacher, *self.teachers.values())
        return StudySetup(
            data=self.data.settings(loaded_teacher=any(one.weights is not None for one in tables)),
            teacher=self.teacher.settings(self.data.image_size),
            seed=self.seed,
            threads=self.runtime.threads,
            device=self.runtime.device,
            runtime=self.runtime.name,
            measure=cast("MeasureName", self.objectives[0]),
            modules=self.modules,
            sensitivity=sensitivity_of(self.sensitivity),
            teachers=named_teachers(self.teacher, self.teachers, self.data.image_size),
        )

    @property
    def users_functions(self) -> tuple[str, ...]:
        """The architectures that are a `module:function`."""
        students = map(str, self.search_space().values("network.architecture"))
        teachers = (one.architecture for one in (self.teacher, *self.teachers.values()))
        return tuple(filter(is_users_function, (*teachers, *students)))

    def search_space(self) -> Space:
        """Return what is searched; it remembers much, so keep it."""
        orders, domains = self.chain.orders, self.space.domains
        if orders:
            domains = {ORDER_KEY: Choice(tuple(map(order_in_words, orders))), **domains}
        return Space(self.chain.stages, domains, self.seed, orders)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as a study file has them, defaults written out."""
        return self.model_dump(mode="json", exclude_none=True)

    def identity(self) -> dict[str, Any]:
        """Return what decides the result of a trial: all but budget, search, bounds and report.

        Where the data lie is not what they are, so `data.root` is left out; so is every setting
        that is settled at its default, or one that came to be later would be a difference.
        """
        values = with_absolute_paths(self.to_dict())
        kept = ("objectives", "seed", "data", "teacher", "chain", "runtime")
        identity = {key: values[key] for key in kept}
        del identity["data"]["root"]
        if not self.chain.orders:
            del identity["chain"]["orders"]
        for table in ("teachers", "sensitivity"):
            if values.get(table):
                identity[table] = values[table]
        identity["space"] = nested(
            {
                name: written(domain)
                for name, domain in self.space.domains.items()
                if not is_default(name, domain, self.chain.stages)
            }
        )
        return identity

    @property
    def fingerprint(self) -> str:
        """Digest of the identity: a study goes on only under an equal one."""
        return digest(self.identity())


def _forecast(sampler: SamplerTable, pruning: PruningTable) -> bool:
    return sampler.name == "ehvi" or pruning.name == "freeze_thaw"


def differences(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    """Return `key: was X, now Y` for every key in which two identities differ, sorted by key."""
    found: list[str] = []
    for key in sorted(old.keys() | new.keys()):
        was, now = old.get(key), new.get(key)
        is_range = isinstance(was, dict) and "step" in was
        if isinstance(was, dict) and isinstance(now, dict) and not is_range:
            found += differences(was, now, f"{prefix}{key}.")
        elif digest(was) != digest(now):
            found.append(f"{prefix}{key}: was {_shown(was)}, now {_shown(now)}")
    return found


def _shown(value: object) -> str:
    return "not set" if value is None else str(value)
