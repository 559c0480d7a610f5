"""`python -m search.retrain`: train an exported chain again, longer, and say what changed."""

import json
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Annotated, Any

import typer

from search.cli import (
    RUNS_DIR,
    OutOption,
    PixelsOption,
    RunsDirOption,
    TrustOption,
    make_app,
    run_app,
    usable,
    with_examples,
)

if TYPE_CHECKING:
    from search.cli import Recipe
    from spaces import StudentConfig


@with_examples(
    "best/config.toml --epochs 30 --out final",
    "best/config.toml --epochs 30 --seeds 42,518,1993 --out final",
)
def retrain(
    config: Annotated[
        Path, typer.Argument(help="config.toml of an exported model.", callback=usable)
    ],
    epochs: Annotated[
        int | None,
        typer.Option(
            "--epochs", help="Epochs of the first stage; the others are lengthened in proportion."
        ),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option("--seeds", help="Seeds of the student, as 42,518,1993.", metavar="LIST"),
    ] = None,
    pixels: PixelsOption = None,
    out: OutOption = Path("final"),
    runs_dir: RunsDirOption = RUNS_DIR,
    trust_modules: TrustOption = False,
) -> None:
    """Train an exported chain at full length and say what changed against the trial."""
    from search.cli import (
        CARD,
        COMPARISON,
        METRICS,
        allow_modules,
        command_console,
        new_folder,
        pixel_kind,
        read_recipe,
        write_model,
    )
    from spaces import InputError
    from studies import changed_inputs, made_folders

    recipe = read_recipe(config)
    if recipe.chain is None:
        raise InputError(f"{config} is the teacher itself, quantized: there is nothing to retrain")
    takes = pixel_kind(pixels, recipe.setup.runtime)
    chosen = _seeds(seeds, recipe.chain.student.seed)
    students = [_longer(recipe.chain.student, epochs, seed) for seed in chosen]
    before = _metrics_beside(config, METRICS)
    setup, networks = recipe.setup, [recipe.chain.student.deployed]
    stages = recipe.chain.student.tried
    teachers = [each.network for each in setup.networks_of_teachers.values()]
    architectures = [each.architecture for each in (*teachers, *networks)]
    # A user's module may have come along with the folder, and the folder from anybody.
    folders = (*setup.modules, str(config.absolute().parent))
    allow_modules(architectures, folders, str(config), trusted=trust_modules, strange=True)

    from objectives import (
        EpochReport,
        TrainedStudent,
        Verdict,
        Workbench,
        check_rounding,
        check_setup,
        study_inputs,
    )

    console = command_console()
    results: list[dict[str, Any]] = []
    cache = runs_dir / "cache"
    with (
        new_folder(out) as folder,
        made_folders(cache, hint="--runs-dir names another"),
        Workbench(setup, cache) as workbench,
    ):
        inputs = study_inputs(setup, networks, workbench.data, stages)
        if changed := changed_inputs(recipe.inputs, inputs):
            raise InputError(
                f"{config} was made from other inputs than are there now: {changed}: put the old "
                "ones back, or delete its table [inputs] to train on the new ones"
            )
        # After that: what is wrong with a changed teacher is that it was changed.
        check_setup(setup, networks, [recipe.scheme.name], stages)
        check_rounding(workbench.template(networks[0]), [recipe.scheme.name])
        for student in students:

            def on_epoch(report: EpochReport, seed: int = student.seed) -> Verdict:
                if not report.reused or report.epoch == report.epochs:
                    console.print(
                        f"seed {seed}: {report.stage} epoch {report.epoch}/{report.epochs}, "
                        f"accuracy {report.accuracy:.4f}{' (reused)' if report.reused else ''}",
                        highlight=False,
                    )
                return Verdict.GO_ON

            for name in setup.teachers_for(student.teachers):
                workbench.named_teacher(name, on_epoch)
            trained = workbench.train_student(student, on_epoch)
            if not isinstance(trained, TrainedStudent):
                raise TypeError("a student stopped that nobody had told to")
            again: Recipe = replace(recipe, chain=replace(recipe.chain, student=student))
            model = folder if len(students) == 1 else folder / f"seed-{student.seed}"
            model.mkdir(exist_ok=True)
            facts = _facts(before, again)
            results.append(write_model(model, workbench, again, trained, facts, takes))
        lines = _comparison(before, results, students, recipe)
        if len(students) > 1:
            (folder / CARD).write_text("\n".join(["# Retrained", "", *lines]) + "\n", "utf-8")
        (folder / COMPARISON).write_text(
            json.dumps({"trial": before, "retrained": results}, indent=2) + "\n", "utf-8"
        )
    for line in lines:
        console.print(line, highlight=False)
    console.print(f"→ {out}", highlight=False)


def _seeds(text: str | None, own: int) -> list[int]:
    from spaces import SEED, InputError

    if text is None:
        return [own]
    try:
        seeds = [int(part) for part in text.split(",")]
    except ValueError:
        seeds = []
    if not seeds or len(set(seeds)) != len(seeds) or min(seeds) < 0:
        raise InputError(f"--seeds takes different whole numbers, as 42,518,1993, got {text!r}")
    for seed in seeds:
        SEED.read("--seeds", seed)
    return seeds


def _longer(student: "StudentConfig", epochs: int | None, seed: int) -> "StudentConfig":
    """Return the student on `seed`, its first stage of `epochs`, the others in proportion."""
    if epochs is None:
        return replace(student, seed=seed)
    first, *others = student.stages
    longer = [replace(first, epochs=epochs)]
    for stage in others:
        share = epochs / first.epochs
        longer.append(replace(stage, epochs=max(1, round(stage.epochs * share))))
    return replace(student, stages=tuple(longer), seed=seed)


def _metrics_beside(config: Path, name: str) -> dict[str, Any]:
    """Return the trial's metrics, which an export keeps beside its config; empty without them."""
    try:
        values = json.loads((config.parent / name).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _facts(before: dict[str, Any], recipe: "Recipe") -> dict[str, Any]:
    """Return what the trial's metrics say of this model too: a file edited since may be another."""
    network = None if recipe.chain is None else recipe.chain.student.deployed.key
    of_network = ("flops", "parameters") if before.get("network") == network else ()
    of_file = ("latency",) if of_network and before.get("scheme") == recipe.scheme.name else ()
    kept = (*of_file, *of_network, "teacher")
    names = ("latency", "flops", "parameters", "teacher")
    return {name: before.get(name) if name in kept else None for name in names} | {"front": None}


def _comparison(
    before: dict[str, Any],
    results: list[dict[str, Any]],
    students: "list[StudentConfig]",
    recipe: "Recipe",
) -> list[str]:
    """Return in words, split by split, what retraining changed."""
    from reports import counted

    seeds = ", ".join(str(student.seed) for student in students)
    plural = "s" if len(students) > 1 else ""
    trained = counted(students[0].total_epochs, "epoch")
    against = f"of a recipe changed since trial {recipe.trial}"
    if recipe.is_the_trials and recipe.chain is not None:
        against = f"against the trial's {recipe.chain.student.total_epochs}"
    lines = [f"{trained} {against}, seed{plural} {seeds}"]
    for split in ("validation", "test"):
        found = [result[split]["accuracy"] for result in results]
        words = f"{split} accuracy {mean(found):.4f}"
        if len(found) > 1:
            words += f" (standard deviation {stdev(found):.4f} over {len(found)} seeds)"
        if split in before:
            change = (mean(found) - before[split]["accuracy"]) * 100
            words += f", {change:+.2f} points against the trial's {before[split]['accuracy']:.4f}"
        lines.append(words)
    return lines


if __name__ == "__main__":
    run_app(make_app(retrain))
