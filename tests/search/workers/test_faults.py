"""What a command says when its workers end: what will recur is not told to be tried again."""

import errno
import uuid
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from search.workers import may_pass
from spaces import InputError
from tests.search.commands_run import run_command
from tests.search.searching import STUDY

NETS = """
import errno, sys
from torch import nn

class Failing(nn.Sequential):
    def forward(self, x):
        if any("search.worker" in word for word in sys.orig_argv):
            raise {error}
        return super().forward(x)

def make(classes, width=1.0):
    return Failing(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))
"""


@pytest.mark.parametrize(
    ("error", "reason", "end"),
    [
        pytest.param(
            "RuntimeError",
            "worker 0 failed: RuntimeError",
            "the study is not finished, and the same command would end in the same way: ",
            marks=pytest.mark.long,
        ),
        pytest.param(
            "OSError(errno.ENOSPC, 'No space left on device')",
            "worker 0 failed: OSError: [Errno 28] No space left on device",
            "the study is not finished; the same command goes on with it",
            marks=pytest.mark.long,
        ),
    ],
)
def test_only_what_may_pass_is_told_to_be_tried_again(
    tmp_path: Path, error: str, reason: str, end: str
) -> None:
    module = f"nets_{uuid.uuid4().hex}"
    (tmp_path / f"{module}.py").write_text(NETS.format(error=error))
    study = STUDY.replace(
        '[teacher]\narchitecture = "cifar_resnet20"', f'[teacher]\narchitecture = "{module}:make"'
    )
    (tmp_path / "tiny.toml").write_text(study)
    done = run_command("run", "--study", "tiny.toml", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert reason in done.stdout
    assert done.stderr.startswith(f"distilfront: {end}")


def test_a_search_in_which_every_trial_failed_is_a_fault(tmp_path: Path) -> None:
    module = f"nets_{uuid.uuid4().hex}"
    words = "ValueError('bad shape [/oops] [red]')"
    nets = NETS.format(error=words).replace("if any", "if self.training and any")
    (tmp_path / f"{module}.py").write_text(nets)
    student = f'[space.network]\narchitecture = "{module}:make"'
    study = STUDY.replace('[space.network]\narchitecture = "cifar_resnet20"', student)
    (tmp_path / "tiny.toml").write_text(study)
    schemes = "space.quantize.scheme=['fp32']"
    done = run_command("run", "--study", "tiny.toml", "--set", schemes, cwd=tmp_path)
    assert done.returncode == 1, done.stdout
    assert done.stderr == (
        "distilfront: nothing was found: 4 trials ended, all by faults, the last by "
        "ValueError: bad shape [/oops] [red]\n"
    )


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def test_which_faults_may_pass() -> None:
    locked = OperationalError("INSERT", {}, Exception("database is locked"))
    for error in (
        MemoryError(),
        OSError(errno.ENOSPC, "No space left on device"),
        ConnectionResetError(),
        locked,
        caused(RuntimeError("Optuna's own"), locked),
    ):
        assert may_pass(error)
    for error in (
        RuntimeError(),
        KeyError("weights"),
        FileNotFoundError("teacher.pth"),
        caused(InputError("the cache cannot be written"), OSError(errno.EROFS, "read-only")),
    ):
        assert not may_pass(error)
