"""`python -m search.dashboard`: browse a study in optuna-dashboard, on this machine only."""

import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from wsgiref.simple_server import WSGIRequestHandler

HOST = "127.0.0.1"
"""The dashboard has no passwords: nobody else may reach it."""


@with_examples(
    "--study kd_lora_q",
    "--study my_cameras --runs-dir /data/runs",
    "--study my_cameras --writable",
)
def dashboard(
    study: StudyOption = "kd_lora_q",
    port: Annotated[
        int, typer.Option("--port", help="Port on the loopback interface.", min=1, max=65535)
    ] = 8080,
    runs_dir: RunsDirOption = RUNS_DIR,
    storage: StorageOption = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            help="Answer to this name too, as that of a proxy in front; may be repeated.",
            metavar="NAME",
        ),
    ] = None,
    writable: Annotated[
        bool,
        typer.Option("--writable", help="Let the page edit notes, and rename and delete studies."),
    ] = False,
) -> None:
    """Show a study in optuna-dashboard, with its notes, figures and artifacts."""
    from wsgiref.simple_server import make_server

    from optuna.artifacts import FileSystemArtifactStore
    from optuna_dashboard import wsgi

    from search.cli import guarded, open_existing

    session = open_existing(study, runs_dir, storage)
    _require_free(port)
    session.refresh_dashboard(now=True)
    session.console.print(f"http://{HOST}:{port}/dashboard (Ctrl-C ends it)", highlight=False)
    store = FileSystemArtifactStore(str(session.folder.artifacts))
    app = guarded(wsgi(session.storage, artifact_store=store), allow_host or (), writable=writable)
    with (
        make_server(HOST, port, app, handler_class=_silent_handler()) as server,
        suppress(KeyboardInterrupt),
    ):
        server.serve_forever()


def _silent_handler() -> "type[WSGIRequestHandler]":
    from wsgiref.simple_server import WSGIRequestHandler

    class Silent(WSGIRequestHandler):
        def log_message(self, *_: object) -> None:
            """Print no line for each request."""

    return Silent


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
