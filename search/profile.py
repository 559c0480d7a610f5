"""`python -m search.profile`: a folder that measures a study's cost table on another device."""

from pathlib import Path

from search.cli import (
    RUNS_DIR,
    OutOption,
    RunsDirOption,
    SetOption,
    StudyOption,
    make_app,
    run_app,
    with_examples,
)


@with_examples(
    "--study kd_lora_q --out bundle",
    "--study my_cameras.toml --out bundle --set costs.calls=500",
)
def profile(
    study: StudyOption = "kd_lora_q",
    out: OutOption = Path("bundle"),
    runs_dir: RunsDirOption = RUNS_DIR,
    overrides: SetOption = None,
) -> None:
    """Write the artifacts of a study's cost table with a script that times them on any device."""
    import tempfile

    from objectives import Workbench, write_bundle, write_candidates
    from search.cli import check_study, command_console, load_told
    from spaces import InputError
    from studies import StudyFolder, made_folders

    console = command_console()
    config = load_told(study, overrides or [])
    setup = config.setup()
    space, teacher = config.search_space(), setup.teacher.network
    networks = (teacher, *space.networks)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is there and is no empty folder: choose another --out")
    check_study(config)
    cache = StudyFolder(runs_dir, config.name).cache
    with (
        made_folders(out, hint="--out names another"),
        made_folders(cache, hint="--runs-dir names another"),
        Workbench(setup, cache) as workbench,
        tempfile.TemporaryDirectory() as folder,
    ):
        for number, network in enumerate(networks, 1):
            console.print(
                f"{number}/{len(networks)}: {network.key} under every scheme", highlight=False
            )
            workbench.template(network)
        candidates = write_candidates(workbench, networks, space.schemes, Path(folder))
        write_bundle(
            out,
            candidates,
            teacher.key,
            setup.runtime,
            study=study,
            processes=config.costs.processes,
            calls=config.costs.calls,
            threads=config.runtime.threads,
        )
    console.print(
        f"{len(candidates)} artifacts → {out}; on the device: python profile.py, then here: "
        f"python -m search.run --study {study} --costs costs.json",
        highlight=False,
    )


if __name__ == "__main__":
    run_app(make_app(profile))
