"""How long each command's --help takes, as against `import optuna`.

    python -m benchmarks.timings.help_time [ROUNDS]

Every start is a fresh process; the rounds go through all of them in turn, so that a machine that
slows down slows all of them, and the median over rounds is shown.
"""

import subprocess
import sys
from functools import partial

from benchmarks.script import run_script
from benchmarks.timings.harness import TablePrinter, Times, in_turns, parser_of

COMMANDS = (
    "run",
    "status",
    "report",
    "export",
    "retrain",
    "confirm",
    "profile",
    "dashboard",
    "main",
)
MOST_S = 0.5
"""By how much a --help may take longer than the import."""


def start(*arguments: str) -> None:
    """Run a fresh Python with those arguments to its end."""
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)


def measured(rounds: int) -> dict[str, Times]:
    """Return the times by what was started."""
    helps = {
        f"search.{command} --help": partial(start, "-m", f"search.{command}", "--help")
        for command in COMMANDS
    }
    return in_turns({"import optuna": partial(start, "-c", "import optuna"), **helps}, rounds)


def main() -> None:
    """Print the table; exit with an error where a command is slow."""
    parser = parser_of(__doc__)
    parser.add_argument("rounds", type=int, nargs="?", default=5, help="starts of each")
    options = parser.parse_args()
    starts = measured(options.rounds)
    printer, reference_s = TablePrinter(as_json=options.json), starts["import optuna"].median_s
    printer.head({"start": "", "seconds": ".2f", "more than `import optuna`": "+.2f"})
    for name, times in starts.items():
        printer.row(name, times.median_s, times.median_s - reference_s)
    slow = [name for name, times in starts.items() if times.median_s > reference_s + MOST_S]
    if slow:
        sys.exit(f"slower than {MOST_S} s more: {', '.join(slow)}")


if __name__ == "__main__":
    run_script(main)
