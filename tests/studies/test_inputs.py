from dataclasses import replace

import pytest
from optuna.storages import RDBStorage

from objectives import StudyInput
from spaces import InputError
from studies import check_inputs, create_or_resume, data_stamp_of, load_study, record_inputs
from studies.records import StudyAttr

WEIGHTS = StudyInput("teacher's weights", "4d7a", "teacher.pth")
IMAGES = StudyInput("train images", "01b3", "imagefolder:photos")


def test_a_study_takes_the_inputs_that_it_has_begun_with_and_no_others(storage: RDBStorage) -> None:
    study = create_or_resume(load_study("kd_lora_q"), storage)
    check_inputs(study, [WEIGHTS, IMAGES])  # An older program recorded none.
    assert data_stamp_of(study) is None
    record_inputs(study, [WEIGHTS, IMAGES], "monday")
    record_inputs(study, [replace(WEIGHTS, place="copy.pth"), IMAGES], "tuesday")
    assert data_stamp_of(study) == "tuesday"
    recorded = study.user_attrs[StudyAttr.INPUTS]
    with pytest.raises(InputError) as caught:
        record_inputs(
            study, [replace(WEIGHTS, digest="9"), replace(IMAGES, digest="9")], "wednesday"
        )
    assert str(caught.value) == (
        "study 'kd_lora_q' has begun with other inputs than are there now: teacher's weights "
        "(teacher.pth), train images (imagefolder:photos): put the old ones back, or search with "
        "the new ones under another name (--set name=…)"
    )
    assert study.user_attrs[StudyAttr.INPUTS] == recorded
