"""`python -m search.profile`: a folder that measures a study's cost table on another device."""

from pathlib import Path
from typing import TYPE_CHECKING

from search.cli import (
    RUNS_DIR,
    OutOption,
    RunsDirOption,
    SetOption,
    StorageOption,
    StudyOption,
    TrustOption,
    make_app,
    run_app,
    with_examples,
)

if TYPE_CHECKING:
    from studies import StudyConfig


@with_examples(
    "--study kd_lora_q --out bundle",
    "--study my_cameras.toml --out bundle --set costs.calls=500",
)
def profile(
    study: StudyOption = "kd_lora_q",
    out: OutOption = Path("bundle"),
    runs_dir: RunsDirOption = RUNS_DIR,
    storage: StorageOption = None,
    overrides: SetOption = None,
    trust_modules: TrustOption = False,
) -> None:
    """Write the artifacts of a study's cost table with a script that times them on any device."""
    import tempfile

    from objectives import Workbench, write_bundle, write_candidates
    from reports import counted
    from search.cli import check_study, command_console
    from spaces import InputError
    from studies import StudyFolder, made_folders

    console = command_console()
    config, again = _study(study, overrides or [], runs_dir, storage, trust_modules=trust_modules)
    setup = config.setup()
    space, teacher = config.search_space(), setup.teacher.network
    networks = (teacher, *space.networks_trained)
    if (out.exists() or out.is_symlink()) and (not out.is_dir() or any(out.iterdir())):
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
            study=again,
            processes=config.costs.processes,
            calls=config.costs.calls,
            threads=config.runtime.threads,
        )
    console.print(
        f"{counted(len(candidates), 'artifact')} → {out}; on the device: python profile.py, "
        f"then here: python -m search.run --study {again} --costs costs.json",
        highlight=False,
    )


def _study(
    study: str,
    overrides: list[str],
    runs_dir: Path,
    storage: str | None,
    *,
    trust_modules: bool,
) -> "tuple[StudyConfig, str]":
    """Return a study's settings, and how search.run takes it with the costs of a device.

    One that has begun goes by its name alone, and keeps the costs that it began with.
    """
    from search.cli import load_told, open_existing
    from spaces import UnknownNameError
    from studies import StudyFolder, built_in_studies, with_overrides

    begun = [path.parent.name for path in sorted(runs_dir.glob("*/study.db"))]
    if study.endswith(".toml") or (study in built_in_studies() and study not in begun):
        return load_told(study, overrides, trust_modules=trust_modules), study
    if storage is None and not StudyFolder(runs_dir, study).database.exists():
        known = dict.fromkeys([*built_in_studies(), *begun])
        raise UnknownNameError("study", study, [*known, "a FILE.toml"])
    session = open_existing(study, runs_dir, storage)
    session.config = with_overrides(session.config, overrides)
    session.allow_modules(trusted=trust_modules)
    file = study if study in built_in_studies() else "FILE.toml"
    return session.config, f"{file} --set name=ANOTHER"


if __name__ == "__main__":
    run_app(make_app(profile))
