"""What settings declare of themselves, and that the mappings from names to classes agree."""

from dataclasses import dataclass, fields, replace

import pytest

from objectives.chain.handlers import HANDLERS
from objectives.training import METHODS as TRAINED
from spaces import (
    METHODS,
    PLACES,
    SCHEMES,
    STAGES,
    ChainConfig,
    Choice,
    InputError,
    Network,
    Space,
)
from spaces.keys import keys_of
from spaces.methods import NoTeacher, Softened
from spaces.schemes import LAYOUTS, Calibration, Quantize
from spaces.settings import Flag, Number, Setting, Settings, Word, own_settings, setting

DEFAULT_CHAIN = Space(tuple(STAGES), {}, seed=0)


def test_every_setting_of_the_default_chain_has_a_place_of_its_own():
    assert len(set(PLACES)) == len(PLACES)
    assert DEFAULT_CHAIN.keys.keys() <= set(PLACES)


def test_places_are_where_they_were():
    """They may be added to, never moved: a study that goes on must draw on as it began."""
    assert PLACES[:24] == (
        "network.width",
        "distill.alpha",
        "distill.temperature",
        "distill.learning_rate",
        "adapt.rank",
        "adapt.lora_alpha",
        "adapt.dropout",
        "adapt.targets",
        "adapt.learning_rate",
        "quantize.scheme",
        "network.architecture",
        "network.stem",
        "network.image_size",
        "distill.method",
        "distill.epochs",
        "distill.batch_size",
        "distill.optimizer",
        "distill.weight_decay",
        "distill.decay",
        "adapt.epochs",
        "adapt.batch_size",
        "adapt.optimizer",
        "adapt.weight_decay",
        "adapt.decay",
    )


def test_settings_and_what_they_are_done_by_have_the_same_names():
    assert METHODS.keys() == TRAINED.keys()
    assert STAGES.keys() == HANDLERS.keys()


@pytest.mark.parametrize(
    "mapping", [METHODS, STAGES, LAYOUTS], ids=["methods", "stages", "layouts"]
)
def test_a_class_stands_under_its_own_name(mapping):
    assert {name: kind.kind for name, kind in mapping.items()} == {name: name for name in mapping}


def test_layouts_are_told_apart_by_their_keys():
    layouts = {scheme.layout for scheme in SCHEMES.values()}
    assert len({layout.key for layout in layouts}) == len(layouts) == len(SCHEMES)
    assert [SCHEMES[name].layout.key for name in ("fp32", "fp16", "int8_weight_only")] == [
        *("fp32", "fp16", "w8")
    ]
    bits = [scheme.layout.weight_bits for scheme in SCHEMES.values()]
    assert bits[:9] == [32, 16, 8, 8, 4, 4, 8, 3, 2]


def test_networks_that_differ_have_different_keys():
    networks = [
        Network(),
        Network(width=0.5),
        Network(stem="small"),
        Network(image_size=24),
        Network("resnet18"),
    ]
    keys = [network.key for network in networks]
    assert keys == [
        "mobilenet_v2@1",
        "mobilenet_v2@0.5",
        "mobilenet_v2@1+small",
        "mobilenet_v2@1/24px",
        "resnet18@1",
    ]
    assert Network("resnet18", 1, "small", 64).key == "resnet18@1+small/64px"


@pytest.mark.parametrize(
    "kind", [Network, Quantize, Calibration, *STAGES.values(), *METHODS.values(), *LAYOUTS.values()]
)
def test_every_field_is_a_setting_whose_own_rule_allows_its_default_and_its_domain(kind):
    declared = own_settings(kind)
    made_by_stages = {"pruned"} if kind is Network else set()
    assert {each.name for each in declared} | made_by_stages == {each.name for each in fields(kind)}
    for each in declared:
        if each.kinds is None:
            assert each.setting.rule.read(each.name, each.default) == each.default
        else:
            assert type(each.default) in each.kinds.values()
        for value in each.setting.domain.values if each.setting.domain else ():
            if value != each.setting.skips:
                each.setting.rule.read(each.name, value)


def test_a_setting_is_asked_after_those_that_say_whether_it_applies():
    for kind in (Network, *STAGES.values(), *METHODS.values()):
        known = {}
        for each in own_settings(kind):
            if each.setting.applies is not None:
                each.setting.applies(known)  # A KeyError names one that comes later.
            known[each.name] = each.default


def test_titles_say_which_stage_a_setting_is_of():
    assert DEFAULT_CHAIN.title("distill.learning_rate") == "distill learning rate"
    assert DEFAULT_CHAIN.title("adapt.learning_rate") == "adapt learning rate"
    assert DEFAULT_CHAIN.title("quantize.scheme") == "quantize scheme"
    titles = [DEFAULT_CHAIN.title(name) for name in DEFAULT_CHAIN.keys]
    assert len(set(titles)) == len(titles)


def test_only_a_stage_with_a_value_that_leaves_it_out_can_be_skipped():
    assert DEFAULT_CHAIN.can_skip("distill") is False
    assert DEFAULT_CHAIN.can_skip("adapt") is False  # It is settled at its default rank.
    skipping = replace(DEFAULT_CHAIN, domains={"adapt.rank": Choice((0, 8))})
    assert skipping.can_skip("adapt")


@dataclass(frozen=True)
class Relation(Softened):
    """A made-up method with a setting of its own."""

    kind = "relation"
    order: int = setting(1, Setting("order", Number(among=(1, 2), whole=True)))
    beta: float = setting(
        8.0, Setting("beta", Number(above=0), applies=lambda known: known["order"] == 2)
    )


def test_a_methods_own_setting_has_a_key_of_its_own_and_shared_ones_are_the_stages(monkeypatch):
    monkeypatch.setitem(METHODS, "relation", Relation)
    keys = keys_of(("distill",))
    # Whatever other methods there are.
    assert {"logit", "relation"} <= {key.method for key in keys["distill.alpha"]}
    assert [key.method for key in keys["distill.relation.order"]] == ["relation"]
    assert "distill.order" not in keys
    space = Space(("distill",), {}, 0)
    assert space.title("distill.relation.order") == "distill relation order"
    assert space.title("distill.alpha") == "distill alpha"


@dataclass(frozen=True)
class Weighed(Softened):
    """A made-up method whose own setting is idle where the teacher is not asked."""

    kind = "weighed"
    beta: float = setting(
        8.0,
        Setting("beta", Number(above=0), applies=lambda known: known["alpha"] > 0),
    )


def test_a_methods_own_setting_may_depend_on_what_methods_share(monkeypatch):
    monkeypatch.setitem(METHODS, "weighed", Weighed)
    assert [each.name for each in own_settings(Weighed)] == ["alpha", "temperature", "beta"]
    domains = {
        "distill.method": Choice(("weighed",)),
        "distill.alpha": Choice((0.0, 0.5)),
        "distill.weighed.beta": Choice((1.0, 8.0)),
    }
    space = Space(("distill",), domains, 0)
    methods = [student.stages[0].method for student in space.students()]
    assert methods == [Weighed(0.0), Weighed(0.5, beta=1), Weighed(0.5, beta=8)]
    for student in space.students():
        params = space.params_of(ChainConfig(student, SCHEMES["fp32"]))
        assert ("distill.weighed.beta" in params) == student.needs_teacher
        assert space.chain(lambda name, _, params=params: params[name]).student == student


def test_what_a_stage_does_is_asked_before_how_long_it_is_trained():
    for kind in STAGES.values():
        names = [each.name for each in own_settings(kind)]
        assert names[-7:] == [
            *("epochs", "learning_rate", "batch_size", "optimizer", "weight_decay", "decay"),
            "warmup_epochs",
        ]


def test_a_rule_reads_a_number_as_the_field_has_it():
    whole = Number(least=1, whole=True)
    assert (whole.read("x", 2.0), type(whole.read("x", 2.0))) == (2, int)
    assert type(Number(above=0).read("x", 16)) is float
    for rule, value, words in [
        (whole, 0, "x must be at least 1, got 0"),
        (whole, True, "x must be a number, got True"),
        (whole, "2", "x must be a number, got '2'"),
        (whole, float("nan"), "x must be a finite number, got nan"),
        (Number(above=0, most=4), 0, r"x must be in \(0, 4\], got 0"),
        (Number(least=0, below=1), 1, r"x must be in \[0, 1\), got 1"),
        (Number(below=1), 1, "x must be less than 1, got 1"),
        (Number(most=1), 2, "x must be at most 1, got 2"),
        (Number(among=(4, 8)), 5, "x must be one of 4, 8, got 5"),
        (Word(("a", "b")), "c", "x must be one of a, b, got 'c'"),
        (Word(), 3, "x must be a word, got 3"),
        (Word(), "", "x must not be empty"),
        (Flag(), 1, "x must be true or false, got 1"),
    ]:
        with pytest.raises(InputError, match=words):
            rule.read("x", value)
    assert Flag().read("x", False) is False


def test_a_setting_that_does_not_apply_must_stay_at_its_default():
    @dataclass(frozen=True)
    class Two(Settings):
        on: bool = setting(False, Setting("on", Flag()))
        strength: float = setting(
            1.0, Setting("strength", Number(above=0), applies=lambda known: known["on"])
        )

    assert Two(on=True, strength=2).strength == 2
    assert Two() == Two(strength=1)
    with pytest.raises(InputError, match=r"strength does not apply here and must stay 1\.0"):
        Two(strength=2)


def test_a_field_that_holds_no_known_kind_is_refused():
    class Unknown(NoTeacher):
        kind = "unknown"

    class Disguised(NoTeacher):
        """It has the name of another."""

    for method in (Unknown(), Disguised()):
        with pytest.raises(InputError, match=r"unknown method '(unknown|none)': known are"):
            STAGES["distill"](method=method)


@pytest.mark.parametrize(
    "kind", [Network, Calibration, *STAGES.values(), *METHODS.values(), *LAYOUTS.values()]
)
def test_every_number_has_a_range(kind):
    """What has no bound takes what no machine can hold, or what trains nothing."""
    rules = {each.name: each.setting.rule for each in own_settings(kind)}
    for name, rule in rules.items():
        if isinstance(rule, Number) and not rule.among:
            assert (rule.least, rule.above) != (None, None), name
            assert (rule.most, rule.below) != (None, None), name
