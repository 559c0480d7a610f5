"""What is tried of a space before any training."""

from spaces import Method, Space


def methods_tried(space: Space) -> tuple[Method, ...]:
    """Return the methods of its stages, each once."""
    found = (stage.teaching for stage in space.tried)
    return tuple(dict.fromkeys(method for method in found if method is not None))
