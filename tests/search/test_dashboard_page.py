"""optuna-dashboard on a really searched study, opened in a real browser."""

import contextlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.search.commands_run import command_line, environment


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


ANSWERS_WITHIN_S = 180
"""A loaded machine takes its time over the imports; a dashboard that is broken takes for ever."""

# A proxy that the environment names is for other hosts than this one.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextlib.contextmanager
def serving(command: list[str], port: int, cwd: Path) -> Iterator[str]:
    """Run a dashboard until the block ends; gives its address once it answers."""
    address = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            command, cwd=cwd, env=environment(), stdout=said, stderr=subprocess.STDOUT
        )
        try:
            until, problem = time.monotonic() + ANSWERS_WITHIN_S, None
            while True:
                try:
                    # It answers one request after the other: an impatient one is in its own way.
                    DIRECT.open(f"{address}/api/studies", timeout=60).close()
                    break
                except OSError as error:
                    problem = error
                if process.poll() is not None or time.monotonic() > until:
                    said.seek(0)
                    pytest.fail(f"no dashboard, but {problem!r}; it said: {said.read()[-2000:]}")
                time.sleep(0.1)
            yield address
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module", params=["ours", pytest.param("plain", marks=pytest.mark.long)])
def dashboard(request, searched) -> Iterator[str]:
    """The address of a dashboard, started by either of the two documented commands."""
    port, runs = free_port(), searched.runs
    if request.param == "ours":
        command = command_line(
            *("dashboard", "--study", "tiny", "--runs-dir", runs, "--port", port)
        )
    else:
        command = [
            *(str(Path(sys.executable).with_name("optuna-dashboard")), "--port", str(port)),
            *("--artifact-dir", f"{runs}/tiny/artifacts", f"sqlite:///{runs}/tiny/study.db"),
        ]
    with serving(command, port, searched.file.parent) as address:
        yield address


@contextlib.contextmanager
def page(browser, url: str):
    """Open `url` as a person does, and hand the tab to the block."""
    tab = browser.new_page(viewport={"width": 1400, "height": 1000})
    tab.goto(url, wait_until="networkidle")
    yield tab
    tab.close()


FIGURES = {
    "Front against the teacher: accuracy, % over size, MB",
    "Front against the teacher: accuracy, % over latency, ms",
    "Front against the teacher: latency, ms over size, MB",
    "Hypervolume over trials",
    "Hypervolume over time",
    "Learning curves",
}


def test_the_study_shows_its_figures_its_objectives_and_what_to_ship(dashboard, browser, searched):
    study = f"{dashboard}/dashboard/studies/1"
    with page(browser, study) as tab:
        tab.get_by_text("latency_ms").first.wait_for()
        tab.get_by_text("Learning curves").first.wait_for()
        drawn = set(tab.locator("svg text").all_text_contents())
        chosen = tab.locator("[role=combobox]").all_text_contents()
    assert drawn >= FIGURES
    assert drawn >= {"accuracy", "size_bytes", "latency_ms"}
    assert chosen[:2] == ["accuracy", "size_bytes"]
    advice = next(line for line in searched.output.splitlines() if line.startswith("ship trial"))
    with page(browser, f"{study}/note") as tab:
        tab.get_by_text(advice.removeprefix("ship ")).wait_for()


def test_every_trial_has_a_note_and_a_sampled_one_its_artifacts(dashboard, browser):
    trials = f"{dashboard}/dashboard/studies/1/trials?numbers="
    with page(browser, f"{trials}4") as tab:
        tab.get_by_text("metrics.json").wait_for()
        # Images come after the text; the wait fails when one of them never does.
        tab.wait_for_function(
            "document.images.length >= 2"
            " && [...document.images].every(image => image.naturalWidth > 0)"
        )
        text = tab.inner_text("body")
    for name in ("learning_curve.svg", "confusion_matrix.svg", "metrics.json"):
        assert name in text
    assert "below the teacher" in text or "above the teacher" in text
    assert "cifar_resnet20 x0.5, 16 px" in text
    with page(browser, f"{trials}0") as tab:
        tab.get_by_text("The teacher itself").wait_for()
        assert "Baseline: teacher" in tab.inner_text("body")


def test_it_listens_on_loopback_only(searched):
    """Everything this machine can be reached by but loopback must refuse the port.

    And what comes from another site's page, or would delete the study, is refused.
    """
    import psutil

    port = free_port()
    command = command_line(
        *("dashboard", "--study", "tiny", "--runs-dir", searched.runs, "--port", port)
    )
    with serving(command, port, searched.file.parent) as address:
        rebound = urllib.request.Request(f"{address}/api/studies", headers={"Host": "evil.example"})
        removed = urllib.request.Request(f"{address}/api/studies/1", method="DELETE")
        for request in (rebound, removed):
            with pytest.raises(urllib.error.HTTPError, match="403"):
                DIRECT.open(request, timeout=60)
        listening = {
            connection.laddr.ip
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
        }
    assert listening == {"127.0.0.1"}
