"""Methods that compare inner tensors, in the chain: trained, stopped, resumed, and refused."""

import pytest
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from torch import nn

from objectives import check_setup
from objectives.models import initialised_model
from objectives.training.taps import tapped
from spaces import (
    METHODS,
    SCHEMES,
    Adapt,
    DataConfig,
    Distill,
    InputError,
    Network,
    Schedule,
    StudentConfig,
    StudySetup,
    TeacherConfig,
    TrainTeacher,
)
from tests.objectives.interrupted import trained_whole_and_cut
from tests.objectives.models import users_networks

SIZE = 16
STUDENT = Network("resnet8x4", 0.125, image_size=SIZE)
TEACHER = Network("cifar_resnet20", 0.5, image_size=SIZE)
DATA = DataConfig("digits", SIZE, train_limit=100, validation_limit=40, test_limit=20)
SETUP = StudySetup(DATA, TeacherConfig(TEACHER, TrainTeacher(Schedule(1, 0.01))), seed=1)
KINDS = ["hint", "attention", "rkd", "crd"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_chain_that_was_stopped_goes_on_to_the_same_bits(kind, tmp_path):
    stages = (Distill(2, 0.01, method=METHODS[kind]()), Adapt(2, 0.005, rank=2, lora_alpha=4))
    student = StudentConfig(STUDENT, stages, seed=1)
    whole, trained = trained_whole_and_cut(SETUP, student, tmp_path)
    assert trained.weights.read_bytes() == whole.weights.read_bytes()
    names = initialised_model(STUDENT, 10, seed=0).state_dict().keys()
    assert load_file(trained.weights).keys() == names


def refused(method, student=STUDENT, teacher=TEACHER):
    setup = StudySetup(DATA, TeacherConfig(teacher, TrainTeacher(Schedule(1, 0.01))), seed=1)
    with pytest.raises(InputError) as caught:
        check_setup(setup, [student], SCHEMES, [Distill(), Distill(method=method)])
    return str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_that_does_not_exist_is_refused_with_those_that_do(kind):
    line = refused(METHODS[kind](student_layer="layer9"))
    assert line.startswith(f"{STUDENT.key}: unknown layer of the student 'layer9': known are conv1")
    assert "layer3.0, avgpool, fc" in line
    assert "\n" not in line
    assert "unknown layer of the student ''" in refused(METHODS[kind](student_layer="layer2,"))
    line = refused(METHODS[kind](teacher_layer="fc,head"))
    assert line.startswith(f"{STUDENT.key}: unknown layer of the teacher 'head': known are conv1")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["pooled", "mixed"])
def test_what_gives_no_row_an_image_is_refused(kind, name):
    gives = {"pooled": "[4]", "mixed": "[8, 3]"}[name]
    line = refused(
        METHODS[kind](student_layer=name),
        Network(f"{users_networks.__name__}:odd_inside", image_size=SIZE),
    )
    words = f"names {name!r}, which gives {gives} for 4 images, expected one row each"
    assert line.endswith(f"{kind}.student_layer {words}")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind in {"hint", "attention"}])
def test_what_cannot_be_compared_is_refused_before_any_training(kind):
    line = refused(METHODS[kind](student_layer="layer2", teacher_layer="fc"))
    assert line.endswith(
        f"{kind}.teacher_layer names what gives [4, 10], expected maps [b, c, h, w]"
    )
    line = refused(METHODS[kind](student_layer="layer1,layer2", teacher_layer="layer1"))
    assert line.endswith(f"{kind}.student_layer names 2 layers, to be compared with 1")
    line = refused(
        METHODS[kind](), Network(f"{users_networks.__name__}:of_a_width", image_size=SIZE)
    )
    assert f"{kind}.student_layer cannot be auto: the student has no feature maps" in line


def test_layers_have_their_own_names_after_an_adapter_is_attached():
    network = nn.Module()  # Its own names are those of peft's wrapper.
    network.model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    first = network.model[0]
    adapted = get_peft_model(network, LoraConfig(target_modules="model.1"))
    assert tapped(adapted, "model.0") is first
    assert tapped(adapted, "base_model.model.model.0") is first
    with pytest.raises(AttributeError):
        tapped(adapted, "model.2")
