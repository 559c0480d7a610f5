"""Where users' modules are looked for, and what is said when they fail."""

import contextlib
import sys
import uuid

import pytest

from objectives import trust_modules
from objectives.models import build_model, users_function
from spaces import InputError, Network


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module of a name that nobody has into the current folder; returns its name."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)

    def write(text, folder=here):
        name = f"nets_{uuid.uuid4().hex}"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text(text)
        trust_modules([name])
        return name

    return write


def said(name, width=1.0):
    with pytest.raises(InputError) as caught:
        build_model(Network(name, width), 10)
    words = str(caught.value)
    assert "\n" not in words
    return words


def test_modules_are_found_in_the_current_folder_and_in_those_that_were_named(module, tmp_path):
    text = "from torch import nn\ndef make(classes):\n    return nn.Linear(1, classes)\n"
    assert callable(users_function(f"{module(text)}:make"))
    elsewhere = module(text, tmp_path / "elsewhere")
    words = said(f"{elsewhere}:make")
    assert f"cannot import {elsewhere}: it is neither in {tmp_path / 'here'}" in words
    assert "nor among the installed packages" in words
    trust_modules([], [str(tmp_path / "elsewhere")])
    assert callable(users_function(f"{elsewhere}:make"))
    assert str(tmp_path / "elsewhere") in said("no_such_module:make")


@pytest.mark.usefixtures("module")
def test_a_module_is_taken_before_an_installed_one_of_its_name(tmp_path):
    (tmp_path / "here" / "colorsys.py").write_text("def make(classes):\n    return 1\n")
    sys.modules.pop("colorsys", None)
    trust_modules(["colorsys", "json"])
    with contextlib.ExitStack() as put_back:
        put_back.callback(sys.modules.pop, "colorsys", None)
        assert users_function("colorsys:make")(1) == 1
    assert sys.path[0] != str(tmp_path / "here")
    words = said("json:make")
    assert "module json (" in words
    assert "json/__init__.py) has no function 'make'; it was looked for in" in words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import torch\n\ndef make(classes:\n", "line 3: SyntaxError: '(' was never closed"),
        ("def make(classes):\n  x = 1\n    y = 2\n", "line 3: IndentationError: unexpected indent"),
        ("import no_such_package\n", "line 1: ModuleNotFoundError: No module named 'no_such_pack"),
        ("from torch import no_such_name\n", "line 1: ImportError: cannot import name 'no_such_"),
        ("\nraise KeyError('weights')\n", "line 2: KeyError: 'weights'"),
        ("import sys\nsys.exit('usage: me FILE')\n", "line 2: SystemExit: usage: me FILE"),
        ("def make(classes):\n    assert False\n", "line 2: AssertionError"),
        ("def make(classes):\n    raise SystemExit\n", "line 2: SystemExit"),
        (
            "import json\ndef make(classes):\n    return json.loads('{')\n",
            "line 3: JSONDecodeError: Expecting property name",
        ),
        (
            "from torch import nn\ndef make(classes):\n    return nn.Conv2d(3, 8)\n",
            "line 3: TypeError: Conv2d.__init__() missing 1 required positional argument",
        ),
    ],
)
def test_a_fault_is_told_with_its_file_and_line(module, text, words):
    name = module(text)
    assert f"{name}.py, {words}" in said(f"{name}:make")


def test_a_function_of_other_arguments(module):
    name = module("def make(num_classes):\n    return 1\ndef narrow(classes):\n    return 1\n")
    words = said(f"{name}:make")
    assert "must be callable with classes=…, and width=… when the width is not 1" in words
    assert said(f"{name}:narrow", width=0.5).endswith(
        "has no width: let it take width=…, or settle its width at 1"
    )
