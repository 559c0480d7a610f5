"""What can be chosen: typed settings, their domains, and how a trial becomes a chain. No torch."""

from spaces.codec import canonical_json, digest, essence, from_dict, to_dict, without_none
from spaces.data import AugmentName, Channels, DataConfig, check_class_names
from spaces.domains import Choice, Domain, Steps, TrialLike, Value
from spaces.errors import (
    DistilfrontError,
    InputError,
    UnknownNameError,
    in_one_line,
    is_text,
    printable,
)
from spaces.first_study import first_study, stem_for
from spaces.keys import NETWORK, SCHEME_KEY, Key, keys_of
from spaces.methods import METHODS, FeatureMethod, Hint, Logit, Method, NoTeacher, Softened
from spaces.network import Network, has_width, is_users_function
from spaces.schedule import DecayName, OptimizerName, Schedule
from spaces.schemes import (
    SCHEMES,
    Calibration,
    DynamicLinear,
    Float16,
    Float32,
    Layout,
    Scheme,
    Static,
    WeightOnly,
    scheme_named,
)
from spaces.settings import PLACES, Declared, Setting
from spaces.setup import LoadTeacher, StudySetup, TeacherConfig, TrainTeacher
from spaces.space import Space
from spaces.stages import (
    BASE_WEIGHTS,
    DEFAULT_CHAIN,
    STAGES,
    Adapt,
    Distill,
    Leaf,
    Prior,
    Stage,
    TargetLayers,
)
from spaces.student import ChainConfig, StudentConfig, student_key

__all__ = [
    "BASE_WEIGHTS",
    "DEFAULT_CHAIN",
    "METHODS",
    "NETWORK",
    "PLACES",
    "SCHEMES",
    "SCHEME_KEY",
    "STAGES",
    "Adapt",
    "AugmentName",
    "Calibration",
    "ChainConfig",
    "Channels",
    "Choice",
    "DataConfig",
    "DecayName",
    "Declared",
    "DistilfrontError",
    "Distill",
    "Domain",
    "DynamicLinear",
    "FeatureMethod",
    "Float16",
    "Float32",
    "Hint",
    "InputError",
    "Key",
    "Layout",
    "Leaf",
    "LoadTeacher",
    "Logit",
    "Method",
    "Network",
    "NoTeacher",
    "OptimizerName",
    "Prior",
    "Schedule",
    "Scheme",
    "Setting",
    "Softened",
    "Space",
    "Stage",
    "Static",
    "Steps",
    "StudentConfig",
    "StudySetup",
    "TargetLayers",
    "TeacherConfig",
    "TrainTeacher",
    "TrialLike",
    "UnknownNameError",
    "Value",
    "WeightOnly",
    "canonical_json",
    "check_class_names",
    "digest",
    "essence",
    "first_study",
    "from_dict",
    "has_width",
    "in_one_line",
    "is_text",
    "is_users_function",
    "keys_of",
    "printable",
    "scheme_named",
    "stem_for",
    "student_key",
    "to_dict",
    "without_none",
]
