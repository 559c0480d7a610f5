"""The cost table's artifacts in a folder that is timed on another device, and its answer."""

import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from objectives.costs import device_profile
from objectives.costs.measurement import Candidate, profile_manifest
from objectives.costs.profile_results import cost_table, read_results
from objectives.costs.table import CostTable
from spaces import InputError, Network

_README = """\
# Latencies on this device

This folder holds {count} artifacts ({megabytes:.0f} MB) of one study. `profile.py` times them here.

    pip install numpy {runtime}
    python profile.py

It writes `costs.json`: {processes} fresh processes, {calls} calls of each artifact in each, on
{threads} thread(s). Leave the machine alone meanwhile. Take `costs.json` back and search for this
device with

    python -m search.run --study {study} --costs costs.json
"""


def write_bundle(
    folder: Path,
    candidates: Sequence[Candidate],
    teacher: str,
    runtime: str,
    *,
    study: str,
    processes: int = 3,
    calls: int = 200,
    warmup: int = 20,
    threads: int = 1,
) -> None:
    """Write the artifacts, the program that times them and a README into `folder`.

    Raises InputError when `folder` holds anything already or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise InputError(f"bundle folder {folder} is not empty: give a new one")
        artifacts = folder / "artifacts"
        artifacts.mkdir()
        files = {}
        for number, candidate in enumerate(candidates):
            name = f"{number:03}-{candidate.layout}{candidate.path.suffix}"
            shutil.copyfile(candidate.path, artifacts / name)
            files[candidate.path] = f"artifacts/{name}"
        settings: dict[str, str | int] = {
            "teacher": teacher,
            "runtime": runtime,
            "processes": processes,
            "calls": calls,
            "warmup": warmup,
            "threads": threads,
        }
        manifest = profile_manifest(candidates, files, **settings)
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=1))
        shutil.copyfile(device_profile.__file__, folder / "profile.py")
        size_bytes = sum(candidate.path.stat().st_size for candidate in candidates)
        readme = _README.format(
            count=len(candidates), megabytes=size_bytes / 1e6, study=study, **settings
        )
        (folder / "README.md").write_text(readme, encoding="utf-8")
    except OSError as error:
        raise InputError(f"bundle folder {folder} cannot be written: {error.strerror}") from error


def read_costs(path: Path, required: Iterable[tuple[Network, str]] = ()) -> CostTable:
    """Return the cost table that a bundle's profile wrote to `path`.

    Raises InputError when it is none, or lacks one of the `required` networks in its layout, or has
    it at another image size.
    """
    results = read_results(path)
    wanted = list(required)
    sizes = {network.key: network.image_size for network, _ in wanted}
    for one in results.artifacts:
        if one.image_size != sizes.get(one.network, one.image_size):
            raise InputError(
                f"costs {path} have {one.network} at {one.image_size} px, and the study has it at "
                f"{sizes[one.network]} px"
            )
    table = cost_table(results, imported=True)
    known = {(cost.network, cost.layout) for cost in table.costs}
    pairs = [(network.key, layout) for network, layout in wanted]
    if missing := [pair for pair in pairs if pair not in known]:
        words = ", ".join(f"{layout} of {network}" for network, layout in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise InputError(
            f"costs {path} lack {words}{more}: make the bundle anew from this study and time it"
        )
    return table
