"""A stored study is read as it was, whatever methods and stages there have come to be since."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from spaces import METHODS, STAGES, Choice, Distill, InputError, Method, Setting
from spaces.settings import Number, setting
from studies import parse_stored, parse_study

FILE = {
    "name": "small",
    "data": {"name": "digits", "image_size": 24},
    "teacher": {"architecture": "resnet18", "weights": "teacher.safetensors"},
}


@dataclass(frozen=True)
class Hint(Method):
    """A method with a setting that no other has, searched where a file does not say."""

    kind: ClassVar[str] = "hint"

    beta: float = setting(2.0, Setting("weight of hints", Number(above=0), Choice((1.0, 2.0))))


def with_methods(*names):
    return {**FILE, "space": {"distill": {"method": list(names)}}}


@pytest.mark.parametrize("methods", [("none",), ("logit",), ("none", "logit")])
def test_a_new_method_changes_nothing_of_studies_that_do_not_have_it(methods, monkeypatch):
    before = parse_study(with_methods(*methods), "file")
    stored = before.to_dict()
    monkeypatch.setitem(METHODS, "hint", Hint)
    after = parse_study(with_methods(*methods), "file")
    assert after == before
    assert after.fingerprint == before.fingerprint
    for values in (stored, after.to_dict()):
        assert parse_stored(values, "stored") == before


def test_a_new_kind_of_stage_changes_nothing_of_studies_that_name_no_chain(monkeypatch):
    before = parse_study(FILE, "file")
    monkeypatch.setitem(STAGES, "again", type("Again", (Distill,), {"kind": "again"}))
    assert parse_study(FILE, "file").chain.stages == ("distill", "adapt")
    stored = before.to_dict()
    del stored["chain"]
    assert parse_stored(stored, "stored") == before


def test_a_study_of_a_method_has_its_settings(monkeypatch):
    monkeypatch.setitem(METHODS, "hint", Hint)
    config = parse_study(with_methods("logit", "hint"), "file")
    assert config.search_space().values("distill.hint.beta") == (1.0, 2.0)
    assert parse_stored(config.to_dict(), "stored") == config
    # A setting that came to be after the study was stored was at its default.
    stored = config.to_dict()
    del stored["space"]["distill"]["hint"]
    assert parse_stored(stored, "stored").search_space().values("distill.hint.beta") == (2.0,)


def test_settings_of_a_method_that_the_space_lacks_are_a_fault(monkeypatch):
    monkeypatch.setitem(METHODS, "hint", Hint)
    values = with_methods("logit")
    values["space"]["distill"]["hint"] = {"beta": 1.0}
    with pytest.raises(
        InputError,
        match=r"space\.distill\.hint\.beta: is a setting of hint, .* has only logit",
    ):
        parse_study(values, "file")


def test_networks_of_a_study_that_stored_no_image_size_see_the_images_as_they_were_held():
    stored = parse_study(FILE, "file").to_dict()
    del stored["space"]["network"]["image_size"]
    networks = parse_stored(stored, "stored").search_space().networks
    assert {network.image_size for network in networks} == {24}
