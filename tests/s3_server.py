"""An S3 server that can be cut off: moto's, reached through a door that can be shut."""

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cut_off import Door


@contextmanager
def s3_server() -> Iterator[tuple[str, int]]:
    """Yield the address of a server, empty and on this machine; skips where moto is missing."""
    for module in ("s3fs", "flask", "flask_cors", "boto3"):
        pytest.importorskip(module, reason=f"{module} is not installed")
    threaded = pytest.importorskip("moto.server", reason="moto is not installed")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # It tells of every request.
    server = threaded.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield server.get_host_and_port()
    server.stop()


@contextmanager
def s3_bucket(server: tuple[str, int], env: pytest.MonkeyPatch) -> Iterator[tuple[Door, str]]:
    """Yield a door to the server and the URL of a bucket, which this process finds through it."""
    import boto3

    door = Door(server)
    endpoint = f"http://127.0.0.1:{door.port}"
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",  # Of its client: ours asks again by itself.
    }.items():
        env.setenv(name, value)
    bucket = uuid.uuid4().hex
    client = boto3.client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket=bucket)
    client.close()
    yield door, f"s3://{bucket}/stages"
    door.shuts()
