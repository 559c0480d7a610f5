"""The cost table of a study: every artifact it can reach, written once and measured."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from torch import nn

from objectives.chain import Workbench
from objectives.costs.measurement import Candidate, flops_and_parameters, measure_costs
from objectives.costs.quiet import measured_in_quiet
from objectives.costs.table import CostTable
from objectives.models import initialised_model, save_weights
from objectives.seeding import generator
from spaces import Calibration, InputError, Network, scheme_named


def write_candidates(
    workbench: Workbench,
    networks: Sequence[Network],
    schemes: Sequence[str],
    folder: Path,
) -> list[Candidate]:
    """Write each network in the layout of each scheme, and as fp32, into `folder`.

    The weights are random: neither bytes nor latency depend on them.
    """
    named = map(scheme_named, ("fp32", *schemes))
    layouts = {one.layout.key: replace(one, calibration=Calibration()) for one in named}
    candidates = []
    # A teacher may be one of the students' networks.
    for number, network in enumerate(dict.fromkeys(networks)):
        model = initialised_model(network, workbench.data.classes, workbench.setup.seed)
        _tell_apart(model)
        flops, parameters = flops_and_parameters(model, network.image_size)
        weights = folder / f"{number}.safetensors"
        save_weights(model, weights)
        writer = workbench.runtime.writer(
            workbench.template(network),
            weights,
            workbench.data.calibration(network.image_size),
            workbench.setup.sensitivity,
        )
        weights.unlink()
        for layout, scheme in layouts.items():
            path = folder / f"{number}-{layout}-{workbench.runtime.file_name}"
            writer.write(scheme, path)
            candidates.append(Candidate(network, layout, path, flops, parameters))
    return candidates


def _tell_apart(model: nn.Module) -> None:
    """Give every bias and every batch norm its own random values.

    As initialised many are equal, and a runtime that keeps equal constants once would write fewer
    bytes than for any trained network.
    """
    draws = generator("candidates")
    for name, values in model.state_dict().items():
        if values.ndim == 1 and values.is_floating_point():
            middle = 1.0 if name.endswith(("weight", "running_var")) else 0.0
            values.uniform_(middle - 0.5, middle + 0.5, generator=draws)


def measure_study_costs(
    workbench: Workbench,
    networks: Sequence[Network],
    schemes: Sequence[str],
    *,
    processes: int,
    calls: int,
    on_progress: Callable[[str], None],
    when_written: Callable[[], object] = lambda: None,
) -> CostTable:
    """Return the measured costs of `networks`, the first of which is the teacher's.

    when_written: called when all is written and nothing measured yet. A machine that is busy is
    told of, and measured again when it is quiet; see measured_in_quiet.
    """
    with tempfile.TemporaryDirectory(prefix="distilfront-") as folder:
        candidates = write_candidates(workbench, networks, schemes, Path(folder))
        when_written()
        measure = partial(
            measure_costs,
            candidates,
            networks[0].key,
            workbench.setup.runtime,
            processes=processes,
            calls=calls,
            threads=workbench.setup.threads,
            on_progress=on_progress,
        )
        return measured_in_quiet(measure, on_progress)


def check_sizes(
    table: CostTable, workbench: Workbench, networks: Sequence[Network], schemes: Sequence[str]
) -> None:
    """Raise InputError unless what the study writes of `networks` has the table's bytes."""
    with tempfile.TemporaryDirectory(prefix="distilfront-") as folder:
        sizes = {
            (each.network.key, each.layout): each.path.stat().st_size
            for each in write_candidates(workbench, networks, schemes, Path(folder))
        }
    for cost in table.costs:
        here = sizes.get((cost.network, cost.layout), cost.size_bytes)
        if here != cost.size_bytes:
            raise InputError(
                f"the costs are of other files than this study writes: {cost.layout} of "
                f"{cost.network} has {cost.size_bytes:,} bytes there and {here:,} here; make the "
                "bundle anew from this study and time it"
            )
