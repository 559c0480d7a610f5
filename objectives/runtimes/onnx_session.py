"""onnxruntime sessions as every measurement and score uses them: on the CPU, threads pinned."""

from pathlib import Path

import onnxruntime as ort

_FATAL = 4
"""Errors are raised, and told by whoever asked."""


def session_options(threads: int) -> ort.SessionOptions:
    """Return what every session is opened with."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL
    return options


def open_session(model: bytes | Path, threads: int) -> ort.InferenceSession:
    """Load a model's bytes or file."""
    content = str(model) if isinstance(model, Path) else model
    return ort.InferenceSession(
        content, session_options(threads), providers=["CPUExecutionProvider"]
    )
