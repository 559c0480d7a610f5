"""What can be chosen: typed settings, their domains, and how a trial becomes a chain. No torch."""

from spaces.adaptation import Adaptation, LoRA, NoAdapter, TargetLayers
from spaces.architecture import Architecture
from spaces.chain_config import (
    ChainConfig,
    Foundation,
    LoadTeacher,
    StudentConfig,
    TeacherConfig,
    TrainTeacher,
    canonical_json,
    digest,
    from_dict,
    student_key,
    to_dict,
)
from spaces.data import DataConfig
from spaces.distillation import Distillation, Method, PlainTraining
from spaces.domains import Choice, Domain, Steps, Value
from spaces.enumeration import every_student
from spaces.errors import DistilfrontError, InputError, UnknownNameError
from spaces.quantization import (
    SCHEMES,
    DynamicLinear,
    Float16,
    Float32,
    Scheme,
    Static,
    WeightOnly,
    scheme_name,
    scheme_named,
)
from spaces.space import Settled, Space, architectures, domains, params_of, suggest
from spaces.training import DecayName, OptimizerName, Schedule

__all__ = [
    "SCHEMES",
    "Adaptation",
    "Architecture",
    "ChainConfig",
    "Choice",
    "DataConfig",
    "DecayName",
    "DistilfrontError",
    "Distillation",
    "Domain",
    "DynamicLinear",
    "Float16",
    "Float32",
    "Foundation",
    "InputError",
    "LoRA",
    "LoadTeacher",
    "Method",
    "NoAdapter",
    "OptimizerName",
    "PlainTraining",
    "Schedule",
    "Scheme",
    "Settled",
    "Space",
    "Static",
    "Steps",
    "StudentConfig",
    "TargetLayers",
    "TeacherConfig",
    "TrainTeacher",
    "UnknownNameError",
    "Value",
    "WeightOnly",
    "architectures",
    "canonical_json",
    "digest",
    "domains",
    "every_student",
    "from_dict",
    "params_of",
    "scheme_name",
    "scheme_named",
    "student_key",
    "suggest",
    "to_dict",
]
