"""What a study lets its report show, where it asks for more than the front."""

from typing import Annotated, Literal

from pydantic import Field

from studies.tables import Table

ReportPart = Literal[
    "kl_to_teacher",
    "mutual_information",
    "calibration",
    "class_accuracy",
    "grad_cam",
    "layers",
    "compressed",
]


class ReportTable(Table):
    """[report]: what the report shows beside the front."""

    show: tuple[ReportPart, ...] = ()
    """`grad_cam`: pictures of where teacher and students look; it needs `distilfront[gradcam]`.
    `layers`: time, bytes and what rounding loses, layer by layer, of the point to ship."""
    images: tuple[Annotated[int, Field(ge=0)], ...] = Field((), max_length=50)
    """Of the pictures: positions in the test split, from 0; by default some on which teacher and
    student disagree, and the first of some classes. At most 50."""
