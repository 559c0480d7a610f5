import random

import optuna
import pytest

from spaces import (
    SCHEMES,
    Architecture,
    ChainConfig,
    Choice,
    Distillation,
    InputError,
    LoRA,
    NoAdapter,
    PlainTraining,
    Schedule,
    Settled,
    Space,
    Steps,
    architectures,
    canonical_json,
    digest,
    from_dict,
    params_of,
    scheme_name,
    scheme_named,
    student_key,
    suggest,
    to_dict,
)

SPACE = Space(
    width=Steps(0.25, 1.0, 0.25),
    alpha=Steps(0.0, 1.0, 0.1),
    temperature=Steps(1.0, 10.0, 1.0),
    learning_rate=Choice((0.001, 0.01)),
    lora_rank=Choice((0, 2, 8)),
    lora_alpha=Choice((8.0, 16.0)),
    lora_dropout=Choice((0.0, 0.1)),
    lora_targets=Choice(("classifier", "dense")),
    lora_learning_rate=Choice((0.001, 0.003)),
    scheme=Choice(tuple(SCHEMES)),
)
SETTLED = Settled(Architecture("mobilenet_v2"), Schedule(8, 0.001), Schedule(3, 0.001), seed=7)


def random_trials(count, seed=0):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return [study.ask() for _ in range(count)]


def test_a_chain_survives_the_way_to_plain_values_and_back():
    for trial in random_trials(50):
        chain = suggest(trial, SPACE, SETTLED)
        assert from_dict(ChainConfig, to_dict(chain)) == chain


def test_the_parameters_of_a_chain_are_those_it_was_suggested_from():
    for trial in random_trials(50, seed=1):
        chain = suggest(trial, SPACE, SETTLED)
        assert params_of(chain) == pytest.approx(trial.params)
        again = suggest(optuna.trial.FixedTrial(params_of(chain)), SPACE, SETTLED)
        assert again == chain


def test_settings_that_cannot_apply_are_not_asked_for():
    seen = set()
    for trial in random_trials(80, seed=2):
        chain = suggest(trial, SPACE, SETTLED)
        plain = isinstance(chain.student.method, PlainTraining)
        bare = isinstance(chain.student.adaptation, NoAdapter)
        seen.add((plain, bare))
        assert plain == ("temperature" not in trial.params)
        for name in ("lora_alpha", "lora_dropout", "lora_targets", "lora_learning_rate"):
            assert bare == (name not in trial.params)
    assert seen == {(True, True), (True, False), (False, True), (False, False)}


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
    chains = {suggest(trial, SPACE, SETTLED).student for trial in random_trials(200, seed=4)}
    assert len({student_key(student) for student in chains}) == len(chains)


def test_progress_covers_distilling_and_adapting():
    lora = LoRA(4, 8.0, 0.0, "dense", Schedule(3, 0.001))
    chain = suggest(random_trials(1)[0], SPACE, SETTLED)
    from dataclasses import replace

    assert replace(chain.student, adaptation=lora).total_epochs == 11
    assert replace(chain.student, adaptation=NoAdapter()).total_epochs == 8


def test_every_scheme_is_found_by_its_name_and_named_again():
    for name, scheme in SCHEMES.items():
        assert scheme_named(name) is scheme
        assert scheme_name(scheme) == name
    with pytest.raises(InputError, match=r"unknown scheme 'int3'.*fp32.*int8_dynamic"):
        scheme_named("int3")


def test_a_space_lists_the_architectures_it_can_reach():
    keys = [architecture.key for architecture in architectures(SPACE, SETTLED)]
    assert keys == [
        "mobilenet_v2@0.25",
        "mobilenet_v2@0.5",
        "mobilenet_v2@0.75",
        "mobilenet_v2@1",
    ]


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: Distillation(0.0, 0.5), "temperature must be greater than 0, got 0.0"),
        (lambda: Distillation(4.0, 0.0), "alpha must be in"),
        (lambda: Distillation(4.0, 1.5), "alpha must be in"),
        (lambda: LoRA(0, 8.0, 0.0, "dense", Schedule(1, 0.1)), "rank must be at least 1"),
        (lambda: LoRA(4, 8.0, 1.0, "dense", Schedule(1, 0.1)), "dropout"),
        (lambda: LoRA(4, 8.0, 0.0, "depthwise", Schedule(1, 0.1)), "targets must be one of"),
        (lambda: Schedule(0, 0.1), "epochs must be at least 1"),
        (lambda: Schedule(1, -0.1), "learning_rate must be greater than 0"),
        (lambda: Schedule(1, 0.1, optimizer="lion"), "optimizer must be one of adam"),
        (lambda: Steps(0.0, 1.0, 0.3), "whole number of steps"),
        (lambda: Steps(1.0, 0.0, 0.1), "high must be at least low"),
        (lambda: Choice(()), "at least one value"),
        (lambda: Choice((1, 1)), "must differ"),
        (lambda: Architecture("resnet18", width=0), "width must be in"),
    ],
)
def test_a_value_that_cannot_be_valid_cannot_be_built(build, words):
    with pytest.raises(InputError, match=words):
        build()


def test_faults_of_a_stored_config_are_named_all_at_once():
    chain = to_dict(suggest(random_trials(1)[0], SPACE, SETTLED))
    chain["student"]["seed"] = "many"
    del chain["student"]["schedule"]["epochs"]
    with pytest.raises(InputError, match=r"(?s)epochs.*seed|seed.*epochs"):
        from_dict(ChainConfig, chain)


def test_equal_settings_are_one_student_whatever_the_scheme():
    generator = random.Random(5)
    chain = suggest(random_trials(1, seed=6)[0], SPACE, SETTLED)
    other = ChainConfig(chain.student, SCHEMES[generator.choice(list(SCHEMES))])
    assert student_key(chain.student) == student_key(other.student)
