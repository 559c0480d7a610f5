"""Where the workers of a search run: on this machine, or on those of a Ray cluster."""

import socket
from pathlib import Path

from objectives import StageStore
from search.cli.session import Session
from search.workers import Launcher, LocalLauncher, Needs, RayLauncher, join_cluster
from spaces import InputError
from studies.records import costs_of


def check_launcher(
    launcher: str, address: str | None, storage: str | None, cache: str | None
) -> None:
    """Raise InputError for what does not go together, and for a cluster that is not there."""
    if launcher == "local" and address is not None:
        raise InputError("--address is of a Ray cluster: it goes with --launcher ray")
    if address is not None and (storage is None or storage.startswith("sqlite")):
        raise InputError(
            "workers on several machines need a database that all of them reach: "
            "give --storage postgresql://… or mysql://…"
        )
    if cache is not None:
        StageStore(cache, lambda _: None)
    if launcher == "ray":
        join_cluster(address or "")


def launched(
    session: Session,
    launcher: str,
    address: str | None,
    runs_dir: Path,
    storage: str | None,
    cache: str | None,
) -> Launcher:
    """Start the workers of a study, here or where `launcher` says."""
    config, logs = session.config, session.folder.path / "logs"
    arguments = _arguments(session, runs_dir, storage, cache)
    if launcher == "local":
        return LocalLauncher(arguments, config.workers, logs)
    return RayLauncher(
        arguments,
        config.workers,
        logs.absolute(),
        Needs(cpus=config.runtime.threads, gpus=int(config.runtime.device == "cuda")),
        address or "",
        first_on="" if _has_costs(session) else config.costs.machine,
    )


def costs_measurer(
    session: Session,
    launcher: str,  # noqa: ARG001
    address: str | None,
    runs_dir: Path,
    storage: str | None,
    cache: str | None,
) -> Launcher | None:
    """Start a worker that measures the costs here, where others will run on a cluster.

    None where the study has them, or another machine is to.
    """
    here = session.config.costs.machine in {"", socket.gethostname()}
    if address is None or not here or _has_costs(session):
        return None
    arguments = [*_arguments(session, runs_dir, storage, cache), "--measure-only"]
    return LocalLauncher(arguments, 1, session.folder.path / "logs")


def _has_costs(session: Session) -> bool:
    return costs_of(session.study) is not None


def _arguments(
    session: Session, runs_dir: Path, storage: str | None, cache: str | None
) -> list[str]:
    # Whoever is here has said so already, and workers have no terminal to ask on.
    runs = ["--runs-dir", str(runs_dir.absolute()), "--trust-modules"]
    database = [] if storage is None else ["--storage", storage]
    shared = [] if cache is None else ["--cache", cache]
    return ["--study", session.config.name, *runs, *database, *shared]
