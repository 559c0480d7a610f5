"""Where users' modules come from, found out without importing any."""

import sys
import uuid

import pytest

from objectives import module_origin, trust_modules
from objectives.models import users_function
from spaces import InputError


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The name of a package in another folder, all of whose files leave a mark when they run."""
    name = f"package_{uuid.uuid4().hex}"
    folder = tmp_path / "elsewhere" / name
    (folder / "bare").mkdir(parents=True)
    code = f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\nmake = dict\n"
    for file in ("__init__", "nets", "bare/inner"):
        (folder / f"{file}.py").write_text(code)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(sys, "path", list(sys.path))
    return name


def test_nothing_runs_when_an_origin_is_found(package, tmp_path):
    folder = tmp_path / "elsewhere" / package
    found = {
        name: module_origin(f"{package}{name}", [str(tmp_path / "elsewhere")])
        for name in ("", ".nets", ".bare.inner", ".bare", ".missing", ".nets.missing")
    }
    assert found == {
        "": str(folder / "__init__.py"),
        ".nets": str(folder / "nets.py"),
        ".bare.inner": str(folder / "bare" / "inner.py"),
        ".bare": str(folder / "bare"),
        # What would run before it is found that there is no such module.
        ".missing": str(folder / "__init__.py"),
        ".nets.missing": str(folder / "nets.py"),
    }
    for nowhere in (package, "no_such_module", "", ".", f"{package}.", "a b", "\x1b[2K"):
        assert module_origin(nowhere) is None
    assert module_origin("os").endswith("os.py")
    assert module_origin("sys") == "Python itself"
    assert not (tmp_path / "ran").exists()


def test_only_a_module_that_was_trusted_by_its_name_is_imported(package, tmp_path):
    trust_modules([package], [str(tmp_path / "elsewhere")])
    for name in (f"{package}.nets", "os"):
        with pytest.raises(InputError, match=r"is not imported, as nobody has said that") as caught:
            users_function(f"{name}:make")
        assert f"{name} (from '" in str(caught.value)
    assert not (tmp_path / "ran").exists()
    assert users_function(f"{package}:make") is dict
    assert (tmp_path / "ran").exists()
