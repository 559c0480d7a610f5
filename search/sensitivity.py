"""`python -m search.sensitivity`: what each layer of a trained student loses with few bits."""

from typing import Annotated

import typer

from search.cli import (
    RUNS_DIR,
    RunsDirOption,
    StorageOption,
    StudyOption,
    TrustOption,
    complete_pick,
    make_app,
    run_app,
    with_examples,
)


@with_examples(
    "--study kd_lora_q",
    "--study kd_lora_q --pick 12 >> next_study.toml",
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
    runs_dir: RunsDirOption = RUNS_DIR,
    storage: StorageOption = None,
    trust_modules: TrustOption = False,
) -> None:
    """Print the table [sensitivity] that a study file needs for bits by layer.

    Each layer alone is rounded to 8, 4, 3 and 2 bits, and what the network says is compared with
    what it says in floats: mean divergence, in nats an image.
    """
    from reports import pick as pick_point
    from search.cli import open_existing

    session = open_existing(study, runs_dir, storage)
    summary = session.summary()
    students = [point for point in summary.history.points if point.chain is not None]
    if pick is not None or not students:
        point = pick_point(summary, pick or "accurate")
    else:
        point = max(students, key=lambda one: one.accuracy)
    session.allow_modules(trusted=trust_modules)
    # Imported here: a wrong pick is answered before torch is loaded.
    from objectives import Workbench
    from search.workers import trained

    setup = session.config.setup()
    network = setup.teacher.network if point.chain is None else point.chain.student.deployed
    with Workbench(setup, session.folder.cache) as workbench:
        layers = workbench.sensitivity(trained(point, workbench), network, images)
    whose = "the teacher" if point.chain is None else f"the student of trial {point.number}"
    print(f"\n# Of {whose} of study {study}, {network.in_words}: nats lost at 8, 4, 3 and 2 bits.")
    print("[sensitivity]")
    for each in layers:
        print(f'"{each.layer}" = [{", ".join(f"{lost:.3g}" for lost in each.losses)}]')


if __name__ == "__main__":
    run_app(make_app(sensitivity))
