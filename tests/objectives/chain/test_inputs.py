"""What a study begins with, by content: what changes it, and what does not."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from objectives import trust_modules
from objectives.chain.inputs import data_inputs, data_stamp, file_inputs
from objectives.data import load_data
from objectives.models import source_files
from objectives.runtimes.onnx_export import template_key
from spaces import DataConfig, InputError, LoadTeacher, Network, StudySetup, TeacherConfig

ROOT = Path(__file__).parents[3]
DIGITS = DataConfig("digits", 8, train_limit=60, validation_limit=20, test_limit=20)


def digests(inputs):
    return {each.name: each.digest for each in inputs}


def test_each_split_has_its_digest():
    before = digests(data_inputs(load_data(DIGITS)))
    data = load_data(DIGITS)
    data.splits["test"].images[3, 0, 2, 2] ^= 1
    after = digests(data_inputs(data))
    assert [name for name in before if before[name] != after[name]] == ["test images"]
    data.splits["train"].labels[5] += 1
    assert digests(data_inputs(data))["train images"] != before["train images"]


def test_a_stamp_tells_touched_files_and_settings_and_reads_nothing(tmp_path):
    for kind in ("cat", "dog"):
        (tmp_path / kind).mkdir()
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / kind / "1.png")
    config = DataConfig(f"imagefolder:{tmp_path}", 8)
    stamps = [data_stamp(config), data_stamp(DataConfig(config.name, 16))]
    os.utime(tmp_path / "cat" / "1.png", (1, 1))
    stamps.append(data_stamp(config))
    (tmp_path / "dog" / "1.png").rename(tmp_path / "dog" / "2.png")
    stamps.append(data_stamp(config))
    assert len(set(stamps)) == 4
    assert data_stamp(config) == stamps[-1]
    # A resume asks for it before torch is there.
    code = "import sys; from objectives import data_stamp; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of a user's network, beside a file that it does not import."""
    folder = tmp_path / "users_package"
    (folder / "parts").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "parts" / "__init__.py").write_text("from users_package.parts.block import block\n")
    (folder / "parts" / "block.py").write_text(
        "import json\nfrom torch import nn\n\ndef block():\n    return nn.Flatten()\n"
    )
    (folder / "unused.py").write_text("")
    (folder / "nets.py").write_text(
        "from functools import partial\n\nfrom torch import nn\n\n"
        "from users_package import parts\n\n"
        "def net(classes, depth=1):\n"
        "    return nn.Sequential(parts.block(), nn.Linear(192, classes))\n\n"
        "deep = partial(net, depth=2)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    trust_modules(["users_package.nets"])
    yield folder
    for name in [name for name in sys.modules if name.startswith("users_package")]:
        del sys.modules[name]


@pytest.mark.parametrize("function", ["net", "deep"])
def test_a_users_code_is_the_functions_file_and_what_it_imports_of_the_users(package, function):
    name = f"users_package.nets:{function}"
    found = source_files(name)
    assert found[0] == package / "nets.py"
    assert package / "parts" / "block.py" in found
    assert package / "unused.py" not in found
    assert all(path.is_relative_to(package) for path in found)
    teacher = TeacherConfig(Network("cifar_resnet20"), LoadTeacher(str(package / "nets.py")))
    setup = StudySetup(DIGITS, teacher, seed=0)
    before = digests(file_inputs(setup, [Network(name)]))
    assert set(before) == {"teacher's weights", f"code of {name}"}
    exported = template_key(Network(name), 3)
    block = package / "parts" / "block.py"
    block.write_text(block.read_text().replace("Flatten()", "Flatten(1)"))
    after = digests(file_inputs(setup, [Network(name)]))
    assert [name for name in before if before[name] != after[name]] == [f"code of {name}"]
    assert template_key(Network(name), 3) != exported


def test_a_missing_file_of_weights_is_told(tmp_path):
    teacher = TeacherConfig(Network("cifar_resnet20"), LoadTeacher(str(tmp_path / "gone.pth")))
    with pytest.raises(InputError, match=r"gone\.pth cannot be read: No such file"):
        file_inputs(StudySetup(DIGITS, teacher, seed=0), [])
