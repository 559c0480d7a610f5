"""What objectives.costs.device_profile wrote, checked and made a cost table."""

from pathlib import Path
from statistics import median
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from objectives.costs.table import Cost, CostTable, with_levels
from spaces import THREADS, InputError, check_texts

LEAST_REPEATABILITY = 0.03
"""Latencies closer than this are ties even where the few processes agree better: fp32, fp16 and
weight-only artifacts are the same float graph once loaded, and medians differ by 2.6 percent."""

Milliseconds = Annotated[FiniteFloat, Field(ge=1e-6, le=1e6)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Timing(_Strict):
    """One artifact in one process."""

    median_ms: Milliseconds
    p95_ms: Milliseconds


class TimedArtifact(_Strict):
    """One network in one layout."""

    network: str
    layout: str
    image_size: int = Field(gt=0, le=1024)
    flops: int = Field(ge=0, le=10**18)
    parameters: int = Field(ge=0, le=10**12)
    size_bytes: int = Field(gt=0, le=10**12)
    timings: tuple[Timing, ...] = Field(min_length=1)
    """One a process."""


class ProfileResults(_Strict):
    """The content of costs.json."""

    format: int = Field(ge=2, le=2)
    runtime: str
    teacher: str
    processes: int = Field(gt=0, le=100)
    calls: int = Field(gt=0, le=10**6)
    warmup: int = Field(ge=0, le=10**6)
    threads: int = Field(gt=0, le=THREADS.most)
    device: dict[str, str]
    artifacts: tuple[TimedArtifact, ...] = Field(min_length=1)


def read_results(path: Path) -> ProfileResults:
    """Return what `path` holds; InputError in one line when it is not what a profile writes."""
    try:
        results = ProfileResults.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"costs {path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'the file'}: {fault['msg']}"
            for fault in error.errors()[:5]
        )
        raise InputError(
            f"costs {path} are not what a bundle's profile.py writes: {faults}"
        ) from error
    check_texts(results.model_dump(), f"costs {path}")
    names = [(artifact.network, artifact.layout) for artifact in results.artifacts]
    if twice := {name for name in names if names.count(name) > 1}:
        raise InputError(f"costs {path} have more than one {_words(twice)}")
    if (results.teacher, "fp32") not in names:
        raise InputError(f"costs {path} lack the teacher: {_words({(results.teacher, 'fp32')})}")
    for artifact in results.artifacts:
        if len(artifact.timings) != results.processes:
            raise InputError(
                f"costs {path}: {artifact.layout} of {artifact.network} was timed in "
                f"{len(artifact.timings)} processes, expected {results.processes}"
            )
    return results


def _words(names: set[tuple[str, str]]) -> str:
    return ", ".join(f"{layout} of {network}" for network, layout in sorted(names))


def cost_table(results: ProfileResults, *, imported: bool) -> CostTable:
    """Return the costs, latencies that cannot be told apart on one level.

    Each is compared with its own repeatability, not with the table's worst: measured on a shared
    machine, the medians of small students repeat themselves to 1 or 2 percent while those of a
    44 MB teacher drift by 30. For the same reason latencies are not divided by the teacher's.
    """
    return CostTable(
        costs=with_levels(map(_cost, results.artifacts), LEAST_REPEATABILITY),
        teacher=results.teacher,
        runtime=results.runtime,
        device=dict(results.device),
        processes=results.processes,
        calls=results.calls,
        threads=results.threads,
        imported=imported,
    )


def _cost(artifact: TimedArtifact) -> Cost:
    median_ms = median(timing.median_ms for timing in artifact.timings)
    return Cost(
        network=artifact.network,
        layout=artifact.layout,
        size_bytes=artifact.size_bytes,
        median_ms=median_ms,
        p95_ms=median(timing.p95_ms for timing in artifact.timings),
        repeatability=max(abs(timing.median_ms / median_ms - 1) for timing in artifact.timings),
        latency_ms=median_ms,
        flops=artifact.flops,
        parameters=artifact.parameters,
    )
