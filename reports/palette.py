"""The colours of every figure, by what they stand for, on a light and on a dark page.

Shapes say the same as colours (teacher a diamond, baselines crosses, the chosen point a star), so
nothing is lost on those who tell few colours apart.
"""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Palette:
    """One colour a role; a page swaps LIGHT's for DARK's, so no two roles share a value."""

    ink: str
    """Text and axes; the teacher."""
    muted: str
    """Text that comes second."""
    line: str
    """Grids and borders."""
    surface: str
    """What figures and tables lie on."""
    page: str
    """What surfaces lie on."""
    front: str
    """Members of the front; students trained to the end."""
    other: str
    """Points that something beats."""
    chosen: str
    """The point to ship."""
    baseline: str
    stopped: str
    paused: str
    audited: str
    good: str
    """A goal that is met."""


LIGHT = Palette(
    ink="#1c2430",
    muted="#5b6675",
    line="#dfe4ea",
    surface="#ffffff",
    page="#f5f7f9",
    front="#2563c4",
    other="#a9b3bf",
    chosen="#c2185b",
    baseline="#0d7d77",
    stopped="#d9730d",
    paused="#8a6d1a",
    audited="#7b4fc9",
    good="#1b7f4b",
)
DARK = Palette(
    ink="#e6eaf0",
    muted="#9ba7b6",
    line="#303946",
    surface="#1a2029",
    page="#12161c",
    front="#78aaf8",
    other="#5f6b7a",
    chosen="#ff6fa5",
    baseline="#4cc5bc",
    stopped="#f2a154",
    paused="#d8c067",
    audited="#b898f5",
    good="#5fce93",
)


def swaps() -> dict[str, str]:
    """Return each light colour's dark one."""
    dark = asdict(DARK)
    return {colour: dark[role] for role, colour in asdict(LIGHT).items()}
