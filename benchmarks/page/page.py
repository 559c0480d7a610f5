"""Make docs/benchmarks.md and its figures from the runs that benchmarks.replay.compare made.

    python -m benchmarks.page.page --results runs/bench [--frozen COMMIT] [--docs docs]
        [--name benchmarks]

`--name` is another page's, of other tables or another freeze; what a page says beside its figures
is templates/NAME_figures.md.j2.
`--frozen` names the commit that froze the strategies, by default the last one that changed any. A
table whose recording began after it is held out; the others were known before.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from benchmarks.page.anytime_figure import COLOURS, Curve, Panel, anytime_svg
from benchmarks.page.censored import Bound
from benchmarks.page.results import AT_95, RANDOM, TODAY, Comparison, StrategyWords, load
from benchmarks.replay import SHARES, STRATEGY_PATHS, Family, Freeze, freeze_of
from benchmarks.script import run_script

MAIN_PAGE = "benchmarks"
"""Of all tables; it also says what else was measured."""
MOST_LINES = 6
"""Lines of others in a panel: more cannot be told apart. The ones soonest at 95 % are drawn."""

HEADS: dict[Family, str] = {
    "ours": "ours",
    "plain": "peers as they are",
    "given ours": "peers given our stage cache and offers",
    "ablation": "ours with one ingredient off",
}
KINDS = ("sampler", "pruner", "scheduler", "offers")


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, required=True, help="of benchmarks.replay.compare")
    parser.add_argument("--frozen", metavar="COMMIT", help="that froze the strategies")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="where the page goes")
    parser.add_argument("--name", default=MAIN_PAGE, help=f"of the page, {MAIN_PAGE} by default")
    options = parser.parse_args()
    comparison, freeze = load(options.results), freeze_of(options.frozen)
    print(write_page(comparison, freeze, options.docs, options.name))


def write_page(comparison: Comparison, freeze: Freeze, docs: Path, name: str = MAIN_PAGE) -> Path:
    """Write the page of that name and a figure for each table; return where the page is."""
    docs.mkdir(parents=True, exist_ok=True)
    held_out = {name: freeze.precedes(its["meta"]) for name, its in comparison.tables.items()}
    first = sorted(comparison.tables, key=lambda name: not held_out[name])
    comparison = replace(comparison, tables={name: comparison.tables[name] for name in first})
    for table in comparison.tables:
        figure = table_figure(comparison, table)
        (docs / figure_name(table)).write_text(figure, encoding="utf-8")
    environment = Environment(
        loader=PackageLoader("benchmarks.page"),
        autoescape=False,  # It is Markdown.
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "percent": lambda share: "" if share is None else f"{100 * share:.1f} %",
        "ms": lambda value: "" if value is None else f"{value:.2f}",
        "times": times,
        "best": best,
        "two": lambda place: (
            "" if place is None else f"{'' if place.exact else '> '}{place.value:.2f}"
        ),
        "digits": lambda spread: (
            f"{spread.median.value:.1f} ({spread.low.value:.1f} to {spread.high.value:.1f})"
        ),
        "blank": lambda value: "" if value is None else str(value),
    }
    page = docs / f"{name}.md"
    page.write_text(
        environment.get_template("benchmarks.md.j2").render(
            page=name,
            main=name == MAIN_PAGE,
            out="runs/bench" if name == MAIN_PAGE else f"runs/{name}",
            tables_said=" ".join(
                f"benchmarks/tables/{table}.parquet"
                for table in (comparison.tables if name != MAIN_PAGE else "*")
            ),
            comparison=comparison,
            groups=groups(comparison),
            heads=HEADS,
            shares=SHARES,
            at_95=AT_95,
            today=TODAY,
            kinds=KINDS,
            freeze=freeze,
            held_out=held_out,
            made=made(comparison),
            changed_until=freeze.changed_until,
            strategy_paths=STRATEGY_PATHS,
            figure_name=figure_name,
            workers=sorted({run.workers for run in comparison.runs} - {1}),
            wall_min=sum(run.wall_s for run in comparison.runs) / 60,
            seeds=sorted({seeds(comparison, s.name) for s in ran(comparison)}),
            seeds_of=lambda name: seeds(comparison, name),
        ),
        encoding="utf-8",
    )
    return page


def ran(comparison: Comparison) -> list[StrategyWords]:
    """Return the strategies that have runs with one worker."""
    return [s for s in comparison.strategies if comparison.all_runs_of(s.name)]


def groups(comparison: Comparison) -> dict[Family, list[StrategyWords]]:
    """Return the strategies that ran by family, in the order of HEADS; no family is empty."""
    found = {head: [s for s in ran(comparison) if s.family == head] for head in HEADS}
    return {family: members for family, members in found.items() if members}


def made(comparison: Comparison) -> dict[str, list[Family]]:
    """Return the commits that made the runs, with the families whose runs they made."""
    families = {s.name: s.family for s in comparison.strategies}
    by_commit: dict[str, set[Family]] = {}
    for run in comparison.runs:
        by_commit.setdefault(run.commit, set()).add(families[run.strategy])
    return {
        commit: [family for family in HEADS if family in its]
        for commit, its in sorted(by_commit.items())
    }


def seeds(comparison: Comparison, strategy: str) -> int:
    """Return on how many seeds a strategy ran, on the table where they are fewest."""
    counts = [len(comparison.runs_of(strategy, table)) for table in comparison.tables]
    return min(filter(None, counts), default=0)


def times(ratio: Bound | None) -> str:
    """Return a ratio as a multiple."""
    if ratio is None:
        return ""
    return str(ratio) if math.isinf(ratio.value) else f"{ratio}x"


def best(its: Sequence[tuple[str, Bound]]) -> str:
    """Return names with their multiples."""
    return "; ".join(f"{name.partition(' + ')[0]} {times(ratio)}" for name, ratio in its)


def figure_name(table: str) -> str:
    """Return the file name of a table's figure."""
    return f"benchmarks_{table}.svg"


def table_figure(comparison: Comparison, table: str) -> str:
    """Return the anytime curves of a table: peers as they are above, given what is ours below."""
    said = comparison.tables[table]
    panels = [
        Panel(
            f"Ours and {HEADS[family]}",
            (*_own(comparison, table), *_others(comparison, table, family)),
        )
        for family in ("plain", "given ours")
        if any(s.family == family for s in ran(comparison))
    ]
    cheapest_s, budget_s = said["oracle"][0][0], comparison.limits["tables"] * said["whole_s"]
    title = f"{table}: hypervolume over compute, median and quartiles over seeds"
    return anytime_svg(title, panels, cheapest_s / 1.5, budget_s)


def _own(comparison: Comparison, table: str) -> list[Curve]:
    """Return the lines that every panel has: the oracle's, ours and random's."""
    said = comparison.tables[table]
    end_s = comparison.limits["tables"] * said["whole_s"]
    first_s = said["oracle"][0][0]
    compute, shares = np.array([[first_s, 0.0], *said["oracle"], [end_s, 1.0]]).T
    curves = [Curve("oracle", "ink", compute, shares, dash="2 4")]
    if comparison.ours is not None:
        curves.append(_curve(comparison, comparison.ours, table, "chosen", width=3.2))
    if comparison.runs_of(RANDOM, table):
        curves.append(_curve(comparison, RANDOM, table, "muted", dash="7 4"))
    return curves


def _others(comparison: Comparison, table: str, family: Family) -> list[Curve]:
    """Return a family's lines, the soonest at 95 % first."""
    names = [s.name for s in ran(comparison) if s.family == family and s.name != RANDOM]
    names = [name for name in names if comparison.runs_of(name, table)]

    def soonest(name: str) -> tuple[bool, float]:
        spread = comparison.compute(name, table)
        return (True, 0.0) if spread is None else (not spread.median.exact, spread.median.value)

    chosen: Sequence[str] = sorted(names, key=soonest)[:MOST_LINES]
    free = list(COLOURS)
    curves = []
    # In the order of the catalogue, so that a strategy has its colour on every table if it can.
    for name in [name for name in names if name in chosen]:
        wanted = COLOURS[names.index(name) % len(COLOURS)]
        role = free.pop(free.index(wanted) if wanted in free else 0)
        curves.append(_curve(comparison, name, table, role))
    return curves


def _curve(
    comparison: Comparison, name: str, table: str, role: str, *, width: float = 1.8, dash: str = ""
) -> Curve:
    compute, low, median, high = comparison.curve(name, table)
    label = name.replace("our cache and offers", "ours")  # There is little room beside the lines.
    return Curve(label, role, compute, median, (low, high), width, dash)


if __name__ == "__main__":
    run_script(main)
