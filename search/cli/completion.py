"""What a shell completes: names of studies, and what a point of a study is picked by.

Nothing here may fail or be slow: a shell asks at every press of the key.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_PICKS = ("knee", "accurate", "smallest", "fastest")


def complete_study(incomplete: str) -> list[str]:
    """Return the built-in studies, those of `runs` and the study files here that begin so."""
    from studies import built_in_studies

    there = [path.parent.name for path in Path("runs").glob("*/study.db")]
    files = [str(path) for path in Path().glob("*.toml")]
    return [name for name in dict.fromkeys([*built_in_studies(), *there, *files])
            if name.startswith(incomplete)]  # fmt: skip


def complete_pick(ctx: Any, incomplete: str) -> list[str]:
    """Return the ways to pick a point, and the numbers of the study's complete trials."""
    study = str(ctx.params.get("study") or "kd_lora_q")
    runs_dir = Path(ctx.params.get("runs_dir") or "runs")
    numbers = map(str, _complete_trials(runs_dir / Path(study).stem / "study.db"))
    return [each for each in (*_PICKS, *numbers) if each.startswith(incomplete)]


def _complete_trials(database: Path) -> Iterator[int]:
    """Yield the numbers of complete trials, none where there is no study; writes nothing."""
    if not database.is_file():
        return
    connection = sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)
    try:
        query = "SELECT number FROM trials WHERE state = 'COMPLETE' ORDER BY number"
        for (number,) in connection.execute(query):
            yield int(number)
    except sqlite3.Error:
        return
    finally:
        connection.close()
