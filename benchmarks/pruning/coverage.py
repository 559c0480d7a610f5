"""Which public networks can lose channels, and what is left of each.

    python -m benchmarks.pruning.coverage JOURNAL

Each of the networks of docs/networks.md is built for 10 classes at the input it has there and loses
half of its channels, in multiples of 8. Appends a line a network to JOURNAL: parameters before and
after, or why it cannot be; what has a line is not tried again. benchmarks.pruning.document makes
the table.
"""

import argparse
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.script import run_script
from objectives.models import build_model
from spaces import InputError, Network, Pruned

PAGE = Path(__file__).parents[2] / "docs" / "networks.md"
CLASSES = 10
_ROW = re.compile(r"\| (?P<name>[\w.:]+) \| (?P<size>\d+) \|")
LEFT = Pruned(0.5, 8)


def main() -> None:
    """Try what has not been tried."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("journal", type=Path)
    options = parser.parse_args()
    kept = options.journal.read_text("utf-8").splitlines() if options.journal.exists() else []
    done = {json.loads(line)["network"] for line in kept if line}
    for network in networks():
        if network.architecture not in done:
            line = json.dumps({"network": network.architecture, **_tried(network)})
            print(line, flush=True)
            with options.journal.open("a", encoding="utf-8") as journal:
                journal.write(line + "\n")


def networks() -> list[Network]:
    """Return those of docs/networks.md."""
    rows = map(_ROW.match, PAGE.read_text("utf-8").splitlines())
    return [Network(row["name"], image_size=int(row["size"])) for row in rows if row]


def _tried(network: Network) -> dict[str, Any]:
    try:
        counts = [
            sum(each.numel() for each in build_model(one, CLASSES).parameters())
            for one in (network, replace(network, pruned=LEFT))
        ]
    except InputError as error:
        return {"refused": str(error)}
    return {"parameters": counts[0], "left": counts[1]}


if __name__ == "__main__":
    run_script(main)
