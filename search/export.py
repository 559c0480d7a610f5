"""`python -m search.export`: write a point of a study as a folder that stands alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from search.cli import (
    RUNS_DIR,
    CacheOption,
    OutOption,
    PixelsOption,
    RunsDirOption,
    StorageOption,
    StudyOption,
    TrustOption,
    complete_pick,
    make_app,
    run_app,
    with_examples,
)

if TYPE_CHECKING:
    from reports import StudySummary
    from studies.records import Point


@with_examples(
    "--study kd_lora_q --pick knee --out best",
    "--study kd_lora_q --pick accurate --max-size-mb 1 --out small",
    "--study kd_lora_q --pick 42 --pixels uint8 --out trial42",
)
def export(
    study: StudyOption = "kd_lora_q",
    pick: Annotated[
        str,
        typer.Option(
            "--pick",
            help="knee, accurate, smallest, fastest or a trial's number.",
            metavar="PICK",
            autocompletion=complete_pick,
        ),
    ] = "knee",
    min_accuracy: Annotated[
        float | None, typer.Option("--min-accuracy", help="Least accuracy, in [0, 1].")
    ] = None,
    max_size_mb: Annotated[
        float | None, typer.Option("--max-size-mb", help="Largest size in MB (10^6 bytes).")
    ] = None,
    max_latency_ms: Annotated[
        float | None, typer.Option("--max-latency-ms", help="Longest latency in ms.")
    ] = None,
    pixels: PixelsOption = None,
    out: OutOption = Path("best"),
    runs_dir: RunsDirOption = RUNS_DIR,
    storage: StorageOption = None,
    cache: CacheOption = None,
    trust_modules: TrustOption = False,
) -> None:
    """Write a point's recipe, weights, adapter, artifact, metrics and card into a folder."""
    from reports import pick as pick_point
    from search.cli import Recipe, new_folder, open_existing, pixel_kind, write_model
    from spaces import Number, scheme_named

    for name, limit, most in (
        ("--min-accuracy", min_accuracy, 1),
        ("--max-size-mb", max_size_mb, 1e6),
        ("--max-latency-ms", max_latency_ms, 1e6),
    ):
        if limit is not None:
            Number(least=0, most=most).read(name, limit)
    session = open_existing(study, runs_dir, storage)
    summary = session.summary()
    point = pick_point(
        summary,
        pick,
        min_accuracy=min_accuracy,
        max_size_bytes=None if max_size_mb is None else max_size_mb * 1e6,
        max_latency_ms=max_latency_ms,
    )
    takes = pixel_kind(pixels, session.config.runtime.name)
    session.allow_modules(trusted=trust_modules)
    with new_folder(out) as folder:
        # Imported here: a wrong pick is answered before torch is loaded.
        from objectives import study_inputs
        from search.workers import trained
        from studies import check_inputs

        setup = session.config.setup()
        with session.workbench(cache) as workbench:
            student = point.chain.student if point.chain else None
            network = setup.teacher.network if student is None else student.deployed
            stages = () if student is None else student.tried
            # What others learned from is no part of this one.
            own = setup.with_teachers_for(() if student is None else student.teachers)
            inputs = study_inputs(own, [network], workbench.data, stages)
            check_inputs(session.study, inputs)
            recipe = Recipe(
                own,
                point.chain,
                scheme_named(point.scheme),
                summary.name,
                point.number,
                {each.name: each.digest for each in inputs},
            )
            metrics = write_model(
                folder,
                workbench,
                recipe,
                trained(point, workbench),
                facts_of(summary, point),
                takes,
            )
    accuracy = metrics["validation"]["accuracy"]
    session.console.print(
        f"trial {point.number} ({point.scheme}): accuracy {accuracy:.4f} on validation, "
        f"{metrics['test']['accuracy']:.4f} on test, {point.size_bytes / 1e6:.3f} MB → {out}",
        highlight=False,
    )
    found = metrics["validation"][summary.measure.field]
    if found != point.accuracy:
        session.console.print(
            f"The study recorded {summary.measure.words} {point.accuracy:.4f}, and it is "
            f"{found:.4f} here: this machine or its libraries differ from those it ran on.",
            style="yellow",
        )


def facts_of(summary: "StudySummary", point: "Point") -> dict[str, Any]:
    """Return what metrics.json and the card say of a point's place in its study."""
    from reports import counted

    cost, teacher = summary.cost(point), summary.teacher
    members = [number for member in summary.front for number in member.numbers]
    place = (
        f"on the front of {counted(len(summary.front), 'point')} of study {summary.name}"
        if point.number in members
        else f"not on the front of study {summary.name}"
    )
    device = summary.costs.device.get("processor", "unknown processor")
    return {
        "front": place,
        "latency": {"median_ms": cost.median_ms, "p95_ms": cost.p95_ms, "device": device},
        "flops": cost.flops,
        "parameters": cost.parameters,
        "teacher": {
            "architecture": teacher.network,
            "accuracy": teacher.accuracy,
            "size_bytes": teacher.cost.size_bytes,
            "median_ms": teacher.cost.median_ms,
        },
    }


if __name__ == "__main__":
    run_app(make_app(export))
