"""Networks of the user's in commands: found beside the study file, and refused at once."""

import uuid
from pathlib import Path

import pytest

from tests.search.commands_run import run_command, run_here, tree
from tests.search.searching import STUDY

NETS = '''
from torch import nn

class Pair(nn.Module):
    """Gives its features too."""

    def __init__(self, classes, width):
        super().__init__()
        channels = round(8 * width)
        self.body = nn.Sequential(
            nn.Conv2d(3, channels, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )
        self.fc = nn.Linear(channels, classes)

    def forward(self, x):
        features = self.body(x)
        return self.fc(features), features

def pair(classes, width=1.0):
    return Pair(classes, width)

def grey(classes, width=1.0):
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(8, classes))

def fails(classes, width=1.0):
    raise ValueError

def decides(classes, width=1.0):
    class Deciding(Pair):
        def forward(self, x):
            x = self.body(x)
            return self.fc(x if x.sum() > 0 else -x)
    return Deciding(classes, width)
'''


@pytest.fixture
def project(tmp_path: Path) -> tuple[Path, str]:
    """A folder with a study, and its module beside it; and the module's name."""
    folder, module = tmp_path / "project", f"nets_{uuid.uuid4().hex}"
    folder.mkdir()
    (folder / f"{module}.py").write_text(NETS)
    study = STUDY.replace('"cifar_resnet20"\nwidth', f'"{module}:pair"\nwidth')
    assert study != STUDY
    (folder / "tiny.toml").write_text(study)
    return folder, module


@pytest.mark.long
def test_a_search_finds_the_module_beside_its_study_and_goes_on_from_there(project, tmp_path):
    folder, module = project
    trial = ("--trials", "1", "--set", 'space.quantize.scheme=["fp32"]')
    done = run_command("run", "--study", "project/tiny.toml", *trial, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (
        f"Exporting cifar_resnet20@1/16px, {module}:pair@0.5/16px, where the cache" in done.stdout
    )
    # From another folder the study knows where its module is.
    out = ("--runs-dir", "../runs", "--out", "best")
    done = run_command("export", "--study", "tiny", *out, cwd=folder)
    assert done.returncode == 0, done.stderr


def test_faults_of_networks_are_told_at_once_and_nothing_is_written(project, tmp_path):
    _, module = project
    before = tree(tmp_path)
    names = ", ".join(f'"{module}:{name}"' for name in ("grey", "fails", "pair", "missing"))
    options = ("--study", "project/tiny.toml", "--set", f"space.network.architecture=[{names}]")
    done = run_here("run", *options, cwd=tmp_path)
    assert done.returncode == 2
    head, *faults = done.stderr.splitlines()
    assert head == "distilfront: 3 faults:"
    assert [fault.split()[0] for fault in faults] == [
        f"{module}:{name}@0.5/16px:" for name in ("grey", "fails", "missing")
    ]
    assert "1 channel" in faults[0]
    assert faults[1].endswith(f"project/{module}.py, line 27: ValueError")
    assert f"project/{module}.py) has no function 'missing'; it was looked for in" in faults[2]
    assert tree(tmp_path) == before


def test_a_network_that_cannot_be_exported_is_refused_before_anything_is_written(project, tmp_path):
    _, module = project
    before = tree(tmp_path)
    options = (
        "--study",
        "project/tiny.toml",
        "--set",
        f"space.network.architecture={module}:decides",
    )
    done = run_here("run", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"distilfront: {module}:decides@0.5/16px: cannot be exported")
    assert len(done.stderr.splitlines()) == 1
    assert tree(tmp_path) == before


def test_a_dry_run_says_what_it_did_not_try(project, tmp_path):
    _, module = project
    done = run_here("run", "--dry-run", "--study", "project/tiny.toml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Every network was built, run, saved and loaded. Not tried here" in done.stdout
    assert f"the export of cifar_resnet20@1/16px, {module}:pair@0.5/16px" in done.stdout


def test_a_module_that_is_nowhere_is_told_where_it_was_looked_for(project, tmp_path):
    folder, _ = project
    options = ("--study", "project/tiny.toml", "--set", "space.network.architecture=no_nets:make")
    done = run_here("run", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert f"cannot import no_nets: it is neither in {tmp_path}, " in done.stderr
    assert f"{folder} nor among the installed packages" in done.stderr
