"""How long each command's --help takes, as against `import optuna`.

    python -m benchmarks.timings.help_time [ROUNDS]

Every start is a fresh process; the rounds go through all of them in turn, so that a machine that
slows down slows all of them, and the median over rounds is shown.
"""

import subprocess
import sys
import time
from statistics import median

from benchmarks.script import run_script

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


def seconds(*arguments: str) -> float:
    """Return how long a fresh Python takes with those arguments."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def measure(rounds: int) -> dict[str, float]:
    """Return median seconds by what was started."""
    starts = {"import optuna": ("-c", "import optuna")}
    starts |= {
        f"search.{command} --help": ("-m", f"search.{command}", "--help") for command in COMMANDS
    }
    taken: dict[str, list[float]] = {name: [] for name in starts}
    for _ in range(rounds):
        for name, arguments in starts.items():
            taken[name].append(seconds(*arguments))
    return {name: median(times) for name, times in taken.items()}


def main() -> None:
    """Print the table; exit with an error where a command is slow."""
    measured = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
    reference = measured["import optuna"]
    print("| start | seconds | more than `import optuna` |")
    print("| --- | ---: | ---: |")
    for name, taken_s in measured.items():
        print(f"| {name} | {taken_s:.2f} | {taken_s - reference:+.2f} |")
    slow = [name for name, taken_s in measured.items() if taken_s > reference + MOST_S]
    if slow:
        sys.exit(f"slower than {MOST_S} s more: {', '.join(slow)}")


if __name__ == "__main__":
    run_script(main)
