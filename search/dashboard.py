"""`python -m search.dashboard`: browse a study in optuna-dashboard, on this machine only."""

import socket
from typing import Annotated

import typer

from search.cli import (
    RUNS_DIR,
    RunsDirOption,
    StorageOption,
    StudyOption,
    make_app,
    run_app,
    with_examples,
)

HOST = "127.0.0.1"
"""The dashboard has no passwords and can delete studies: nobody else may reach it."""


@with_examples(
    "--study kd_lora_q",
    "--study my_cameras --runs-dir /data/runs",
)
def dashboard(
    study: StudyOption = "kd_lora_q",
    port: Annotated[
        int, typer.Option("--port", help="Port on the loopback interface.", min=1, max=65535)
    ] = 8080,
    runs_dir: RunsDirOption = RUNS_DIR,
    storage: StorageOption = None,
) -> None:
    """Show a study in optuna-dashboard, with its notes, figures and artifacts."""
    from optuna.artifacts import FileSystemArtifactStore
    from optuna_dashboard import run_server

    from search.cli import open_existing

    session = open_existing(study, runs_dir, storage)
    _require_free(port)
    session.refresh_dashboard(now=True)
    session.console.print(f"http://{HOST}:{port}/dashboard (Ctrl-C ends it)", highlight=False)
    store = FileSystemArtifactStore(str(session.folder.artifacts))
    run_server(session.storage, host=HOST, port=port, artifact_store=store)


def _require_free(port: int) -> None:
    """Raise InputError when nobody can listen on `port`, before anything is drawn."""
    from spaces import InputError

    with socket.socket() as probe:
        # As the server does: a port that was left a moment ago is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise InputError(
                f"cannot listen on {HOST}:{port}: {error.strerror}; --port names another"
            ) from error


if __name__ == "__main__":
    run_app(make_app(dashboard))
