"""docs/pruning.md, made from what was measured of pruned networks.

    python -m benchmarks.pruning.document > docs/pruning.md

A test holds the page to this.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from benchmarks.methods.outcomes import Journal, Outcome
from spaces.network import network_in_words

_HERE = Path(__file__).parent
NETWORKS = {"resnet56": "cifar_resnet56@1", "mobilenet_v2": "mobilenet_v2@1"}
"""By study: Network.key of what is pruned."""

_HEAD = """\
# Pruning

Made by `python -m benchmarks.pruning.document` from what was measured. How the stage `prune` is set
stands in [study_file.md](study_file.md), how it works in [how_it_works.md](how_it_works.md).

- `removes = "channels"` leaves a smaller network: fewer bytes, fewer FLOPs. Which channels go
  follows from each student's weights, how many from the settings alone, so that costs are known
  before anything is trained.
- `removes = "weights"` leaves zeros. A dense file is as long and as slow with them; a scheme that
  stores zeros sparse is shorter and, loaded, as slow. See [schemes.md](schemes.md).
- `shares` is a plan by which layers lose alike in accuracy:
  `python -m search.sensitivity --study NAME --prune 0.5` measures and prints it.
- Whether a front is higher with pruning, in as much compute, and where:
  [with_pruning.md](../benchmarks/replay/with_pruning.md)."""

_EFFECTS = """\
Accuracy on 10,000 test images in percent, of the float file, right after pruning and after
{epochs} epochs on {images:,} images ([{study}.toml](../benchmarks/pruning/{study}.toml), by
`python -m benchmarks.pruning.effects`); ± is the standard deviation over seeds. The whole network
has {whole:.2f}, its int8 file {int8:.2f}."""

_COVERAGE = """\
## Networks that can be pruned

Those of [networks.md](networks.md), with half of their channels gone, in multiples of 8
(`python -m benchmarks.pruning.coverage`): parameters that are left."""

_COSTS = """\
Costs beside those of the whole network, timed in turn in one run on one thread ({device},
`python -m benchmarks.pruning.costs`). `-c0.3x8`: 0.3 of all channels gone, and every layer keeps a
multiple of 8, so that fewer or more go than the share says. Without multiples a kernel works beside
its blocks; and int8 files of many small layers take as long as it takes to call them."""


def main() -> None:
    """Print the page."""
    print(page(), end="")


def page() -> str:
    """Return docs/pruning.md."""
    parts = [_HEAD]
    for study, network in NETWORKS.items():
        found = Journal(effects_of(study)).by_name()
        costs = read(costs_of(study))
        if not found and not costs:
            continue
        parts.append(f"## {network_in_words(network)}")
        if found:
            parts += [_effects(study, found), "\n".join(_rows(found))]
        if costs:
            device = ", ".join(costs[0]["device"][name] for name in ("processor", "runtime"))
            parts += [_COSTS.format(device=device), "\n".join(_cost_rows(costs, network))]
    if coverage := read(_HERE / "coverage.jsonl"):
        parts += [_COVERAGE, "\n".join(_coverage_rows(coverage))]
    return "\n\n".join(parts) + "\n"


def effects_of(study: str) -> Path:
    """Return the journal of benchmarks.pruning.effects for a study."""
    return _HERE / f"{study}_effects.jsonl"


def costs_of(study: str) -> Path:
    """Return the journal of benchmarks.pruning.costs for a study."""
    return _HERE / f"{study}_costs.jsonl"


def read(path: Path) -> Sequence[Mapping[str, Any]]:
    """Return the lines of a journal; none where there is none."""
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines if line]


def _effects(study: str, found: Mapping[str, Outcome]) -> str:
    from studies import load_study

    config = load_study(str(_HERE / f"{study}.toml"), [])
    whole = found["teacher"].accuracies
    return _EFFECTS.format(
        study=study,
        epochs=f"{config.search_space().values('prune.epochs')[0]:g}",
        images=config.data.train_limit,
        whole=100 * whole["fp32"],
        int8=100 * whole["int8_static"],
    )


def _rows(found: Mapping[str, Outcome]) -> Iterator[str]:
    """Yield a row a way and amount; names are `even 0.5 0` and `even 0.5 before 0`."""
    yield "| way | amount | seeds | pruned | fine-tuned | int8_static | CPU s |"
    yield "|" + " --- |" * 7
    after: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    before: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for name, outcome in found.items():
        way, *rest = name.split()
        if rest:
            (before if "before" in rest else after)[way, rest[0]].append(outcome)
    for (way, amount), ones in after.items():
        cells = [
            f"`{way}`",
            amount,
            str(len(ones)),
            _spread(before[way, amount], "fp32"),
            _spread(ones, "fp32"),
            _spread(ones, "int8_static"),
            f"{mean(one.seconds for one in ones):.0f}",
        ]
        yield f"| {' | '.join(cells)} |"


def _spread(ones: Sequence[Outcome], scheme: str) -> str:
    values = [100 * one.accuracies[scheme] for one in ones]
    apart = f" ± {stdev(values):.2f}" if len(set(values)) > 1 else ""
    return f"{mean(values):.2f}{apart}"


def _coverage_rows(coverage: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "| network | parameters | left |"
    yield "| --- | --- | --- |"
    for each in coverage:
        if "refused" in each:
            yield f"| {each['network']} | | {each['refused']} |"
        else:
            left = each["left"] / each["parameters"]
            yield f"| {each['network']} | {each['parameters']:,} | {each['left']:,} ({left:.2f}x) |"


def _cost_rows(costs: Sequence[Mapping[str, Any]], key: str) -> Iterator[str]:
    layouts = sorted({each["layout"] for each in costs})
    heads = [f"{layout}: {what}" for layout in layouts for what in ("bytes", "latency")]
    yield f"| network | FLOPs | {' | '.join(heads)} |"
    yield "|" + " --- |" * (2 + len(heads))
    by_network: dict[str, dict[str, Mapping[str, Any]]] = defaultdict(dict)
    for each in costs:
        by_network[each["network"]][each["layout"]] = each
    whole = by_network[key]
    for network, its in sorted(by_network.items()):
        cells = [f"`{network}`", f"{its[layouts[0]]['flops_of_whole']:.2f}x"]
        for layout in layouts:
            size = its[layout]["bytes"] / whole[layout]["bytes"]
            cells += [f"{its[layout]['bytes']:,} ({size:.2f}x)", f"{its[layout]['of_whole']:.2f}x"]
        yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
