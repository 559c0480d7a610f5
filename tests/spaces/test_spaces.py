import random
from dataclasses import replace

import optuna
import pytest

from spaces import (
    SCHEMES,
    Adapt,
    ChainConfig,
    Choice,
    Distill,
    Dkd,
    Hint,
    InputError,
    Logit,
    Network,
    NoTeacher,
    Schedule,
    Space,
    Steps,
    StudentConfig,
    canonical_json,
    digest,
    from_dict,
    scheme_named,
    student_key,
    to_dict,
)
from tests.spaces.tried import methods_tried

SPACE = Space(
    ("distill", "adapt"),
    {
        "network.width": Steps(0.25, 1.0, 0.25),
        "distill.alpha": Steps(0.0, 1.0, 0.1),
        "distill.temperature": Steps(1.0, 10.0, 1.0),
        "distill.learning_rate": Choice((0.001, 0.01)),
        "adapt.rank": Choice((0, 2, 8)),
        "adapt.lora_alpha": Choice((8.0, 16.0)),
        "adapt.dropout": Choice((0.0, 0.1)),
        "adapt.targets": Choice(("classifier", "dense")),
        "adapt.learning_rate": Choice((0.001, 0.003)),
        "adapt.batch_size": Choice((32,)),
        "quantize.scheme": Choice(tuple(SCHEMES)),
    },
    seed=7,
)

ADAPTER = ("lora_alpha", "dropout", "targets", "learning_rate")


def random_trials(count, seed=0):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return [study.ask() for _ in range(count)]


def test_a_chain_survives_the_way_to_plain_values_and_back():
    for trial in random_trials(50):
        chain = SPACE.suggest(trial)
        assert from_dict(ChainConfig, to_dict(chain)) == chain


def test_the_parameters_of_a_chain_are_those_it_was_suggested_from():
    for trial in random_trials(50, seed=1):
        chain = SPACE.suggest(trial)
        params = SPACE.params_of(chain)
        asked = {name: params[name] for name in trial.params}
        assert asked == pytest.approx(trial.params)
        # All others are settled: they have one value, which nobody asked the trial for.
        assert all((params[name],) == SPACE.values(name) for name in params.keys() - asked.keys())
        again = SPACE.suggest(optuna.trial.FixedTrial(params))
        assert again == chain


def test_settings_that_cannot_apply_are_not_asked_for():
    seen = set()
    for trial in random_trials(80, seed=2):
        chain = SPACE.suggest(trial)
        distill, *adapt = chain.student.stages
        plain = not distill.method.needs_teacher
        bare = not adapt
        seen.add((plain, bare))
        assert plain == ("distill.temperature" not in trial.params)
        for name in ADAPTER:
            assert bare == (f"adapt.{name}" not in trial.params)
    assert seen == {(True, True), (True, False), (False, True), (False, False)}


def test_a_settled_setting_is_not_asked_for_and_is_what_the_space_says():
    chosen = set()
    for trial in random_trials(20, seed=2):
        chain = SPACE.suggest(trial)
        assert not trial.params.keys() & {"adapt.batch_size", "distill.epochs", "network.stem"}
        for stage in chain.student.stages:
            chosen.add((stage.kind, stage.batch_size, stage.epochs))
        assert chain.student.seed == 7
    assert chosen == {("distill", 64, 8), ("adapt", 32, 3)}


def test_a_space_without_a_word_makes_the_default_chain():
    (trial,) = random_trials(1)
    chain = Space(("distill", "adapt"), {}, seed=0).suggest(trial)
    assert trial.params == {}
    assert chain == ChainConfig(StudentConfig(Network(), (Distill(), Adapt()), 0), SCHEMES["fp32"])


def test_searched_are_the_domains_of_several_values_of_methods_that_are_there():
    domains = {
        "distill.method": Choice(("none",)),
        "distill.alpha": Steps(0.0, 1.0, 0.5),
        "distill.epochs": Choice((3,)),
        "network.width": Choice((0.5, 1.0)),
    }
    assert list(Space(("distill",), domains, 0).searched) == ["network.width"]
    both = {**domains, "distill.method": Choice(("none", "logit"))}
    searched = Space(("distill",), both, 0).searched
    assert list(searched) == ["network.width", "distill.method", "distill.alpha"]


def test_a_method_is_asked_for_first_and_only_its_own_settings_after():
    domains = {
        "distill.method": Choice(("none", "logit")),
        "distill.temperature": Steps(1.0, 10.0, 1.0),
    }
    space, seen = Space(("distill",), domains, 0), set()
    for trial in random_trials(30, seed=3):
        method = space.suggest(trial).student.stages[0].method
        seen.add(type(method))
        asked = {"distill.method", *(["distill.temperature"] if method.kind == "logit" else [])}
        assert trial.params.keys() == asked
    assert seen == {NoTeacher, Logit}


def test_steps_give_the_same_number_however_they_were_added_up():
    steps = Steps(0.0, 1.0, 0.1)
    assert steps.values == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    drawn = {steps.suggest(trial, "x") for trial in random_trials(100, seed=3)}
    assert drawn <= set(steps.values)


def test_a_digest_does_not_depend_on_how_numbers_or_keys_were_written():
    assert digest({"a": 0.1 + 0.2, "b": 4.0}) == digest({"b": 4, "a": 0.3})
    assert digest({"a": 0.3}) != digest({"a": 0.30001})
    assert canonical_json({"b": [1.0, True], "a": None}) == '{"a":null,"b":[1,true]}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest(float("nan"))


def test_students_that_differ_in_any_setting_have_different_keys():
    students = {SPACE.suggest(trial).student for trial in random_trials(200, seed=4)}
    assert len({student_key(student) for student in students}) == len(students)


def test_progress_covers_distilling_and_adapting():
    student = StudentConfig(Network(), (Distill(), Adapt()), 0)
    assert (student.epochs, student.total_epochs) == ((8, 3), 11)
    assert replace(student, stages=(Distill(),)).total_epochs == 8


def test_a_student_shares_with_others_what_its_first_stages_are():
    student = StudentConfig(Network(), (Distill(), Adapt(rank=2)), 0)
    alone, whole = student.prefixes
    assert alone == student.prefix(1) == replace(student, stages=(Distill(),))
    assert whole is student.prefix(2) is student
    assert alone.prefixes == (alone,)
    other = replace(student, stages=(Distill(), Adapt(rank=4)))
    assert student_key(other.prefix(1)) == student_key(alone)
    assert len({student_key(each) for each in (student, other, alone)}) == 3


def test_a_stage_without_a_method_learns_as_the_one_before_it():
    taught = StudentConfig(Network(), (Distill(method=Logit(0.5, 3.0)), Adapt()), 0)
    assert [taught.teaching(index) for index in (0, 1)] == [Logit(0.5, 3.0)] * 2
    assert taught.needs_teacher
    for method in (NoTeacher(), Logit(0.0)):
        alone = replace(taught, stages=(Distill(method=method), Adapt()))
        assert alone.teaching(1) == method
        assert not alone.needs_teacher


def test_a_student_begins_with_what_makes_weights():
    with pytest.raises(InputError, match="adapt needs weights to begin with: not the first"):
        StudentConfig(Network(), (Adapt(), Distill()), 0)
    with pytest.raises(InputError, match="at least one stage"):
        StudentConfig(Network(), (), 0)


def test_every_scheme_is_found_by_its_name_and_named_again():
    for name, scheme in SCHEMES.items():
        assert scheme_named(name) is scheme
        assert scheme.name == name
    with pytest.raises(InputError, match=r"unknown scheme 'int3'.*fp32.*int8_dynamic"):
        scheme_named("int3")


def test_a_space_lists_the_networks_it_can_reach():
    assert [network.key for network in SPACE.networks] == [
        "mobilenet_v2@0.25",
        "mobilenet_v2@0.5",
        "mobilenet_v2@0.75",
        "mobilenet_v2@1",
    ]


def test_networks_of_several_architectures_and_sizes_are_reached_once_each():
    domains = {
        "network.architecture": Choice(("resnet18", "mobilenet_v2")),
        "network.width": Choice((1.0, 0.5)),
        "network.image_size": Choice((32, 24)),
    }
    assert [network.key for network in Space(("distill",), domains, 0).networks] == [
        "resnet18@1/24px",
        "resnet18@1",
        "mobilenet_v2@0.5/24px",
        "mobilenet_v2@0.5",
        "mobilenet_v2@1/24px",
        "mobilenet_v2@1",
    ]


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: Logit(temperature=0.0), r"temperature must be in \[0.01, 1000\], got 0.0"),
        (lambda: Logit(alpha=-0.1), r"alpha must be in \[0, 1\]"),
        (lambda: Logit(alpha=1.5), r"alpha must be in \[0, 1\]"),
        (
            lambda: Logit(alpha=0, temperature=5),
            r"temperature does not apply here and must stay 4\.0, got 5\.0",
        ),
        (lambda: Adapt(rank=0), r"rank must be in \[1, 1024\]"),
        (lambda: Adapt(rank=1.5), "rank must be a whole number, got 1.5"),
        (lambda: Adapt(dropout=1.0), "dropout"),
        (lambda: Adapt(targets="depthwise"), "targets must be one of"),
        (lambda: Schedule(0, 0.1), r"epochs must be in \[1, 10000\]"),
        (lambda: Schedule(float("inf"), 0.1), "epochs must be a finite number, got inf"),
        (lambda: Schedule(1, -0.1), r"learning_rate must be in \[1e-08, 10\]"),
        (lambda: Schedule(1, float("inf")), "learning_rate must be a finite number, got inf"),
        (lambda: Schedule(1, float("nan")), "learning_rate must be a finite number, got nan"),
        (lambda: Schedule(1, 0.1, optimizer="lion"), "optimizer must be one of adam"),
        (
            lambda: Schedule(5, decay="cosine", warmup_epochs=5),
            "warmup_epochs must be less than epochs, got 5 beside 5 epochs",
        ),
        (lambda: Schedule(warmup_epochs=1), "warmup_epochs does not apply here"),
        (
            lambda: Distill(mix="mixup", method=Dkd()),
            "mix does not apply here and must stay 'none', got 'mixup'",
        ),
        (lambda: Distill(mix="blend"), "mix must be one of none, mixup, cutmix, got 'blend'"),
        (lambda: Distill(mix_alpha=0.5), "mix_alpha does not apply here"),
        (lambda: Distill(augment="shift+shift"), "augment must be one of data, none, or one or"),
        (lambda: Distill(augment="none+shift"), "joined by \\+, got 'none\\+shift'"),
        (lambda: Distill(jitter=3), r"jitter must be in \[0, 2\], got 3"),
        (
            lambda: Distill(teacher_view="plain", method=NoTeacher()),
            "teacher_view does not apply here and must stay 'same'",
        ),
        (
            lambda: Distill(teacher_view="plain", teacher_jitter=1),
            "teacher_jitter does not apply here",
        ),
        (lambda: Distill(batch_size=1), r"batch_size must be in \[2, 65536\]"),
        (lambda: Distill(method="logit"), "unknown method 'str': known are none, logit"),
        (lambda: Steps(0.0, 1.0, 0.3), "whole number of steps"),
        (lambda: Steps(1.0, 0.0, 0.1), "high must be at least low"),
        (lambda: Steps(0.0, float("inf"), 0.1), "a range needs finite numbers"),
        (lambda: Choice(()), "at least one value"),
        (lambda: Choice((1, 1)), "must differ"),
        (lambda: Choice(([1],)), r"must be words or numbers, got \[1\]"),
        (lambda: Network("mobilenet_v2", width=0), "width must be in"),
        (lambda: Network("mobilenet_v2", width=5), r"width must be in \[0.01, 4\], got 5"),
        (lambda: Network("resnet18", width=0.5), "resnet18 has no width: it must be 1, got 0.5"),
        (lambda: Network("mobilenet_v2", image_size=7), r"image_size must be in \[8, 1024\]"),
        (lambda: Network(""), "architecture must not be empty"),
    ],
)
def test_a_value_that_cannot_be_valid_cannot_be_built(build, words):
    with pytest.raises(InputError, match=words):
        build()


def test_faults_of_a_stored_config_are_named_all_at_once():
    chain = to_dict(SPACE.suggest(random_trials(1)[0]))
    chain["student"]["seed"] = "many"
    chain["student"]["network"]["width"] = "wide"
    chain["student"]["stages"][0]["epochs"] = "few"
    chain["scheme"] = "int3"
    with pytest.raises(InputError, match=r"width.*epochs.*seed.*unknown scheme 'int3'") as caught:
        from_dict(ChainConfig, chain)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", [("network",), ("stages", 0), ("stages", 0, "method")])
def test_a_stored_setting_that_is_not_known_is_refused(path):
    """Read without it, it would be another student."""
    values = to_dict(StudentConfig(Network(), (Distill(), Adapt()), 0))
    table = values
    for part in path:
        table = table[part]
    table["later"] = 3
    with pytest.raises(InputError, match="later: Unexpected keyword argument"):
        from_dict(StudentConfig, values)


def test_a_stored_setting_that_is_missing_was_at_its_default():
    student = StudentConfig(Network(width=0.5), (Distill(epochs=3), Adapt()), 0)
    values = to_dict(student)
    del values["network"]["image_size"], values["stages"][0]["method"]["temperature"]
    del values["stages"][1]["rank"]
    assert from_dict(StudentConfig, values) == student


def test_equal_settings_are_one_student_whatever_the_scheme():
    generator = random.Random(5)
    chain = SPACE.suggest(random_trials(1, seed=6)[0])
    other = ChainConfig(chain.student, SCHEMES[generator.choice(list(SCHEMES))])
    assert student_key(chain.student) == student_key(other.student)


def test_a_spaces_methods_are_all_that_look_at_other_layers():
    domains = {
        "distill.method": Choice(("none", "hint")),
        "distill.alpha": Steps(0.0, 1.0, 0.1),
        "distill.hint.student_layer": Choice(("auto", "layer2")),
        "distill.hint.weight": Choice((10.0, 100.0)),
        "distill.decay": Choice(("cosine", "step")),
        "adapt.rank": Choice((0, 2)),
    }
    space = Space(("distill", "adapt"), domains, seed=0)
    methods = methods_tried(space)
    hints = [(each.student_layer, each.weight) for each in methods if isinstance(each, Hint)]
    assert hints == [("auto", 100.0), ("layer2", 100.0)]
    assert [each for each in methods if not isinstance(each, Hint)] == [NoTeacher()]


def clashes(**values):
    """Return what is wrong of a space in which settings of distill have these values."""
    domains = {f"distill.{name}": Choice(each) for name, each in values.items()}
    return dict(Space(("distill",), domains, 0).clashes())


def test_a_space_says_which_of_its_values_cannot_go_together():
    every = clashes(mix=("none", "mixup", "cutmix"), method=("dkd", "crd"))
    assert every["distill.mix"].startswith("mixup and cutmix cannot go with the method dkd or crd")
    always = clashes(mix=("mixup", "cutmix"), method=("logit", "dkd"))
    assert always["distill.mix"].startswith("mixup and cutmix cannot go with the method dkd: it")
    assert clashes(mix=("none", "mixup"), method=("logit", "dkd", "crd")) == {}
    assert clashes(mix=("none",), method=("dkd",)) == {}
    assert clashes(mix=("mixup",), method=("logit", "hint")) == {}
    words = "must be less than epochs, got 5 beside 4 epochs"
    warm = {"decay": ("cosine",), "warmup_epochs": (0, 5)}
    assert clashes(**warm, epochs=(4, 50)) == {"distill.warmup_epochs": words}
    assert clashes(**warm, epochs=(6, 50)) == {}
    alone = clashes(warmup_epochs=(1,), epochs=(8,))
    assert alone["distill.warmup_epochs"].startswith("must be 0 where decay is one_cycle alone")
    assert clashes(warmup_epochs=(1,), epochs=(8,), decay=("one_cycle", "step")) == {}


def test_a_student_whose_method_needs_one_label_an_image_never_mixes():
    domains = {
        "distill.method": Choice(("logit", "dkd")),
        "distill.learning_rate": Choice((0.01,)),
        "distill.mix": Choice(("none", "mixup")),
        "distill.mix_alpha": Choice((0.2, 1.0)),
    }
    space = Space(("distill",), domains, 0)
    mixes = [(s.stages[0].method.kind, s.stages[0].mix) for s in space.students()]
    assert mixes == [("logit", "none"), ("logit", "mixup"), ("logit", "mixup"), ("dkd", "none")]
    assert {"distill.mix", "distill.mix_alpha"} < set(space.searched)


def test_of_a_space_without_clashes_every_student_can_be_made_and_read_back():
    domains = {
        "distill.method": Choice(("none", "logit", "hint")),
        "distill.alpha": Choice((0.0, 0.5)),
        "distill.learning_rate": Choice((0.01,)),
        "distill.mix": Choice(("none", "cutmix")),
        "distill.mix_alpha": Choice((0.2, 1.0)),
        "distill.augment": Choice(("data", "shift+jitter")),
        "distill.teacher_view": Choice(("same", "plain")),
        "distill.teacher_jitter": Choice((0.0, 1.0)),
        "distill.decay": Choice(("one_cycle", "cosine")),
        "distill.warmup_epochs": Steps(0.0, 2.0, 1.0),
    }
    space = Space(("distill",), domains, 0)
    assert not list(space.clashes())
    students = list(space.students())
    # Without the teacher nothing is asked of what it sees; hint asks it at alpha 0 too.
    taught, alone = 1 + 2, 2
    assert len(students) == (taught * 3 + alone) * 3 * 2 * (1 + 3) == space.size
    for student in students:
        params = space.params_of(ChainConfig(student, SCHEMES["fp32"]))
        assert space.chain(lambda name, _, params=params: params[name]).student == student
        assert from_dict(StudentConfig, to_dict(student)) == student


def test_words_of_a_stage_say_what_is_not_seen_as_always():
    assert Distill().in_words == "T 4, alpha 0.9"
    mixing = Distill(mix="mixup", mix_alpha=0.2, jitter=1)
    said = "T 4, alpha 0.9, mixing mixup, mixing alpha 0.2, colour jitter 1"
    assert mixing.in_words == said


def test_a_part_that_a_space_may_leave_out_is_among_its_methods_whatever_the_order():
    domains = {
        "distill.method": Choice(("multi_level",)),
        "distill.alpha": Choice((0.0,)),
        "distill.multi_level.hidden_weight": Choice((1.0, 0.0)),
        "distill.multi_level.student_layer": Choice(("auto", "layer2")),
        "distill.multi_level.embedding_weight": Choice((0.0,)),
    }
    space = Space(("distill",), domains, seed=0)
    layers = [each.student_layer for each in methods_tried(space)]
    assert layers == ["auto", "layer2"]
