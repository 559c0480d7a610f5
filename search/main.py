"""The console script `distilfront`: every command as a subcommand."""

import typer

from search.clean import clean
from search.cli import add_command, run_app
from search.confirm import confirm
from search.dashboard import dashboard
from search.export import export
from search.new import new
from search.profile import profile
from search.report import report
from search.retrain import retrain
from search.run import run
from search.sensitivity import sensitivity
from search.status import status

app = typer.Typer(
    name="distilfront",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Find the smallest, fastest version of an image classifier that is accurate enough.",
)
COMMANDS = (
    new,
    run,
    status,
    report,
    export,
    retrain,
    confirm,
    profile,
    sensitivity,
    clean,
    dashboard,
)
for command in COMMANDS:
    add_command(app, command)


def main() -> None:
    """Run `distilfront`."""
    run_app(app)


if __name__ == "__main__":
    main()
