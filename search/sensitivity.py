"""`python -m search.sensitivity`: what each layer of a trained student loses alone."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from search.cli import (
    RUNS_DIR,
    CacheOption,
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
    from spaces import LayerLosses, Removes


@with_examples(
    "--study kd_lora_q",
    "--study kd_lora_q --pick 12 >> next_study.toml",
    "--study kd_lora_q --prune 0.5",
)
def sensitivity(
    study: StudyOption = "kd_lora_q",
    pick: Annotated[
        str | None,
        typer.Option(
            "--pick",
            help="Whose layers: those of the point knee, accurate, smallest, fastest or of that "
            "trial; default: of the most accurate student.",
            metavar="PICK",
            autocompletion=complete_pick,
        ),
    ] = None,
    images: Annotated[
        int, typer.Option("--images", min=1, help="Validation images to look at, at most.")
    ] = 512,
    prune: Annotated[
        float | None,
        typer.Option(
            "--prune",
            min=0.01,
            max=0.95,
            help="Print instead the plan prune.shares by which layers lose alike while this share "
            "of all channels goes (--of weights: of all weights).",
            metavar="AMOUNT",
        ),
    ] = None,
    of: Annotated[
        str,
        typer.Option("--of", help="What --prune takes away: channels or weights."),
    ] = "channels",
    runs_dir: RunsDirOption = RUNS_DIR,
    storage: StorageOption = None,
    cache: CacheOption = None,
    trust_modules: TrustOption = False,
) -> None:
    """Print the table [sensitivity] that a study file needs for bits by layer, or a plan to prune.

    Each layer alone is rounded to 8, 4, 3 and 2 bits, and what the network says is compared with
    what it says in floats: mean divergence, in nats an image. With --prune each layer alone loses
    10 to 90 % of its channels or weights.
    """
    from reports import pick as pick_point
    from search.cli import open_existing
    from spaces import WHOLE

    session = open_existing(study, runs_dir, storage)
    summary = session.summary()
    points = summary.history.points
    if prune is not None:  # What is pruned already cannot be again.
        points = tuple(
            one for one in points if not one.chain or one.chain.student.deployed.pruned == WHOLE
        )
    students = [point for point in points if point.chain is not None] or points
    if pick is not None or not students:
        point = pick_point(summary, pick or "accurate")
    else:
        point = max(students, key=lambda one: one.accuracy)
    session.allow_modules(trusted=trust_modules)
    # Imported here: a wrong pick is answered before torch is loaded.
    from search.workers import trained

    setup = session.config.setup()
    network = setup.teacher.network if point.chain is None else point.chain.student.deployed
    whose = "the teacher" if point.chain is None else f"the student of trial {point.number}"
    with session.workbench(cache) as workbench:
        student = trained(point, workbench)
        if prune is not None:
            losses = workbench.pruning_losses(student, network, _removes(of), images)
            _print_plan(losses, prune, of, f"{whose} of study {study}, {network.in_words}")
            return
        layers = workbench.sensitivity(student, network, images)
    print(f"\n# Of {whose} of study {study}, {network.in_words}: nats lost at 8, 4, 3 and 2 bits.")
    print("[sensitivity]")
    for each in layers:
        print(f'"{each.layer}" = [{", ".join(f"{lost:.3g}" for lost in each.losses)}]')


def _removes(of: str) -> "Removes":
    """Return what is to be pruned; raises InputError for another word."""
    from spaces import InputError

    if of == "channels":
        return "channels"
    if of == "weights":
        return "weights"
    raise InputError(f"--of must be channels or weights, got {of!r}")


def _print_plan(losses: "Sequence[LayerLosses]", amount: float, of: str, whose: str) -> None:
    from spaces import plan_of

    plan = plan_of(losses, amount)
    shares = ", ".join(f"{share:.0%}" for share in sorted(losses[0].losses))
    print(f"\n# Of {whose}: nats lost where {shares} of its {of} go.")
    for each in losses:
        lost = ", ".join(f"{nats:.3g}" for _, nats in sorted(each.losses.items()))
        print(f"#   {each.layer}, {each.size:,} {of}: {lost}")
    print(f'[space.prune]\nremoves = "{of}"\namount = {amount:g}\nshares = "{plan}"')


if __name__ == "__main__":
    run_app(make_app(sensitivity))
