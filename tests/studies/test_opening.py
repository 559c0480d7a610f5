import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import RDBStorage

from spaces import InputError
from studies import (
    StudyConfig,
    create_or_resume,
    load_study,
    open_storage,
    open_study,
    stored_config,
)
from studies.records import StudyAttr

ROOT = Path(__file__).parents[2]
DIGITS = load_study("kd_lora_q")


def test_a_new_study_says_what_it_is(storage: RDBStorage) -> None:
    study = create_or_resume(DIGITS, storage)
    assert study.study_name == "kd_lora_q"
    assert study.metric_names == ["accuracy", "size_bytes", "latency_ms"]
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", *["MINIMIZE"] * 2]
    assert stored_config(study) == DIGITS
    assert study.user_attrs[StudyAttr.FINGERPRINT] == DIGITS.fingerprint


def test_a_study_may_have_two_objectives(storage: RDBStorage) -> None:
    config = load_study("kd_lora_q", ["objectives=['accuracy','latency_ms']"])
    study = create_or_resume(config, storage)
    assert study.metric_names == ["accuracy", "latency_ms"]
    assert len(study.directions) == 2


def test_a_resume_takes_what_may_change(storage: RDBStorage) -> None:
    create_or_resume(DIGITS, storage).ask()
    changed = load_study("kd_lora_q", ["trials=99", "sampler.name=random", "pruning.name=none"])
    study = create_or_resume(changed, storage)
    assert len(study.get_trials()) == 1
    assert stored_config(study) == changed


def test_a_resume_under_other_settings_is_refused_key_by_key(storage: RDBStorage) -> None:
    create_or_resume(DIGITS, storage)
    changed = load_study(
        "kd_lora_q", ["trials=99", "space.network.width=[0.5]", "space.distill.epochs=77"]
    )
    with pytest.raises(InputError) as caught:
        create_or_resume(changed, storage)
    first, *lines = str(caught.value).splitlines()
    assert first.startswith("study 'kd_lora_q' has begun under other settings")
    assert [line.split(":")[0].strip() for line in lines] == [
        "space.distill.epochs",
        "space.network.width",
    ]
    assert stored_config(open_study("kd_lora_q", storage)) == DIGITS


def test_another_programs_study_is_refused_and_left_alone(storage: RDBStorage) -> None:
    theirs = optuna.create_study(study_name="kd_lora_q", storage=storage)
    theirs.set_user_attr("owner", "somebody")
    for attempt in (
        lambda: create_or_resume(DIGITS, storage),
        lambda: open_study("kd_lora_q", storage),
    ):
        with pytest.raises(InputError, match=r"'kd_lora_q' was not made by search\.run"):
            attempt()
    assert theirs.user_attrs == {"owner": "somebody"}


def test_a_study_of_a_later_format_is_refused(storage: RDBStorage) -> None:
    create_or_resume(DIGITS, storage).set_user_attr(StudyAttr.FORMAT.value, 3)
    with pytest.raises(InputError, match="is of format 3, and this program reads format 2"):
        open_study("kd_lora_q", storage)


def test_a_study_of_the_first_format_is_refused(storage: RDBStorage) -> None:
    create_or_resume(DIGITS, storage).set_user_attr(StudyAttr.FORMAT.value, 1)
    with pytest.raises(InputError, match="is of format 1, and this program reads format 2"):
        open_study("kd_lora_q", storage)


def without_the_stem(config: StudyConfig) -> dict[str, Any]:
    """Return the settings as a program stored them that did not know of stems yet."""
    values = config.to_dict()
    del values["space"]["network"]["stem"]
    return values


def test_a_study_goes_on_that_began_before_a_setting_was_there(storage: RDBStorage) -> None:
    study = create_or_resume(DIGITS, storage)
    study.ask()
    study.set_user_attr(StudyAttr.CONFIG.value, without_the_stem(DIGITS))
    assert stored_config(study) == DIGITS
    assert len(create_or_resume(DIGITS, storage).get_trials()) == 1
    searched = load_study("kd_lora_q", ["space.network.stem=['imagenet','small']"])
    with pytest.raises(
        InputError, match=r"space\.network\.stem: was not set, now \['imagenet', 'small'\]"
    ):
        create_or_resume(searched, storage)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        (("chain", "stages"), ["distill", "melt"], "unknown stage 'melt'"),
        (("space", "distill", "smoothing"), [0.1], r"space\.distill\.smoothing: unknown key"),
    ],
)
def test_a_study_that_a_later_program_stored_is_refused_and_left_alone(
    storage: RDBStorage, key: tuple[str, ...], value: object, words: str
) -> None:
    study = create_or_resume(DIGITS, storage)
    values = DIGITS.to_dict()
    table = values
    for part in key[:-1]:
        table = table[part]
    table[key[-1]] = value
    study.set_user_attr(StudyAttr.CONFIG.value, values)
    for attempt in (
        lambda: create_or_resume(DIGITS, storage),
        lambda: open_study("kd_lora_q", storage),
    ):
        with pytest.raises(InputError, match=f"the settings stored in 'kd_lora_q'.*{words}"):
            attempt()
    assert study.user_attrs[StudyAttr.CONFIG.value] == values


def test_a_missing_study_is_told_those_that_are_there(storage: RDBStorage) -> None:
    with pytest.raises(InputError, match="no study 'mine' in this storage: there are none"):
        open_study("mine", storage)
    create_or_resume(DIGITS, storage)
    with pytest.raises(InputError, match="there are kd_lora_q"):
        open_study("mine", storage)


@pytest.mark.parametrize("written", [0, 1, 2])
def test_a_study_whose_creator_was_killed_is_begun_again(storage: RDBStorage, written: int) -> None:
    half = optuna.create_study(study_name="kd_lora_q", storage=storage)
    attrs = {"config": DIGITS.to_dict(), "fingerprint": DIGITS.fingerprint}
    for name in list(attrs)[:written]:
        half.set_user_attr(name, attrs[name])
    study = create_or_resume(DIGITS, storage)
    assert stored_config(study) == DIGITS
    assert study.metric_names == ["accuracy", "size_bytes", "latency_ms"]


def test_processes_that_make_a_storage_and_a_study_together_get_the_same(target: str) -> None:
    code = (
        "import sys; from studies import *; storage = open_storage(sys.argv[1]);"
        "study = create_or_resume(load_study('kd_lora_q'), storage);"
        "stored_config(study); study.ask()"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, target], cwd=ROOT) for _ in range(3)]
    assert [process.wait(timeout=120) for process in running] == [0] * 3
    storage = open_storage(target)
    assert len(storage.get_all_studies()) == 1
    assert len(open_study("kd_lora_q", storage).get_trials()) == 3
    storage.engine.dispose()
