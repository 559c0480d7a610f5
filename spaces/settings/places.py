"""Which coordinate of a quasi-random sequence each setting has."""

PLACES = (
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
    "distill.hint.student_layer",
    "distill.hint.teacher_layer",
    "distill.hint.weight",
)
"""Append only, never reorder: a setting's coordinate is its place here, and a study that goes on
must draw on as it began. A setting that is not listed is drawn at random instead."""
