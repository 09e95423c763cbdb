"""The embedded emulator as a real process, on its own port."""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import tenacity

from infra.emulator import Emulator, PortTakenError, running_emulator
from infra.errors import OperatorError
from tests.helpers.commands import Done, run

pytestmark = pytest.mark.slow


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    with running_emulator(tmp_path) as started:
        yield started


def test_a_started_emulator_is_healthy_and_enforces_iam(emulator: Emulator) -> None:
    health = requests.get(f"{emulator.endpoint_url}/_ministack/health", timeout=5).json()

    assert health["auth"] == "enabled"


def test_a_second_start_changes_nothing(emulator: Emulator) -> None:
    before = emulator.status()

    assert emulator.start() is False
    assert emulator.status() == before


def test_stop_frees_the_port_deletes_the_data_and_can_be_repeated(emulator: Emulator) -> None:
    (emulator.state_dir / "emulator-data" / "unpacked").mkdir()

    assert emulator.stop() is True
    assert emulator.stop() is False
    assert emulator.status() is None
    assert not list(emulator.state_dir.glob("emulator-*"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", emulator.port))


def test_a_port_that_is_taken_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"port {port} is taken"):
            Emulator(tmp_path, port).start()
        done = command("start", tmp_path, port)

    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def test_the_emulator_outlives_the_command_that_started_it(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    emulator = Emulator(tmp_path, port)
    try:
        assert command("start", tmp_path, port).returncode == 0
        assert command("status", tmp_path, port).returncode == 0
        assert requests.get(f"{emulator.endpoint_url}/_ministack/health", timeout=5).ok
    finally:
        assert command("stop", tmp_path, port).returncode == 0
    assert command("status", tmp_path, port).returncode == 1


def test_another_process_with_the_pid_is_left_alone(tmp_path: Path, emulator: Emulator) -> None:
    running = emulator.status()
    assert running
    record = (tmp_path / "emulator.pid").read_text()
    emulator.stop()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        (tmp_path / "emulator.pid").write_text(record.replace(str(running.pid), str(other.pid), 1))

        assert emulator.status() is None
        assert emulator.stop() is False
        assert other.poll() is None
        other.communicate(b"\n")


def test_a_process_that_only_has_the_pid_of_an_emulator_in_a_container_is_left_alone(tmp_path: Path) -> None:
    with (tmp_path / "emulator.pid").open("w") as pid_file:
        fcntl.flock(pid_file, fcntl.LOCK_EX)
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
            print(json.dumps({"pid": other.pid, "port": 1}), file=pid_file, flush=True)
            with pytest.raises(OperatorError, match="container"):
                Emulator(tmp_path, 1).stop()
            assert other.poll() is None
            other.communicate(b"\n")


def test_a_start_that_was_killed_before_it_wrote_the_pid_does_not_block_the_next(tmp_path: Path) -> None:
    with (tmp_path / "emulator.pid").open("w") as pid_file:
        fcntl.flock(pid_file, fcntl.LOCK_EX)
        with running_emulator(tmp_path) as emulator:
            assert emulator.status()


def test_an_emulator_that_a_release_without_the_lock_started_can_be_stopped(
    tmp_path: Path, emulator: Emulator
) -> None:
    pid_file = tmp_path / "emulator.pid"
    (tmp_path / "without-lock").write_text(pid_file.read_text())
    (tmp_path / "without-lock").replace(pid_file)

    assert emulator.status()
    assert emulator.start() is False
    assert emulator.stop() is True
    assert emulator.status() is None
    with pytest.raises(requests.ConnectionError):
        requests.get(emulator.endpoint_url, timeout=5)


def test_a_copied_checkout_does_not_stop_the_emulator_of_the_other(tmp_path: Path, emulator: Emulator) -> None:
    copy = Emulator(tmp_path / "copy" / ".jobpipe", emulator.port)
    copy.state_dir.mkdir(parents=True)
    shutil.copy(tmp_path / "emulator.pid", copy.state_dir)

    assert copy.status() is None
    assert copy.stop() is False
    assert requests.get(f"{emulator.endpoint_url}/_ministack/health", timeout=5).ok


def test_a_moved_checkout_still_has_its_emulator(tmp_path: Path) -> None:
    with running_emulator(tmp_path / "before") as emulator:
        (tmp_path / "before").rename(tmp_path / "after")
        moved = Emulator(tmp_path / "after", emulator.port)
        assert moved.stop() is True


def test_an_emulator_that_was_killed_is_started_again(emulator: Emulator) -> None:
    running = emulator.status()
    assert running
    os.kill(running.pid, signal.SIGKILL)
    ended = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda still_running: still_running is not None),
        wait=tenacity.wait_fixed(0.02),
        stop=tenacity.stop_after_delay(5),
    )

    assert ended(emulator.status) is None
    assert emulator.start() is True


def command(name: str, state_dir: Path, port: int) -> Done:
    environment = dict(os.environ) | {"JOBPIPE_STATE_DIR": str(state_dir), "JOBPIPE_PORT": str(port)}
    return run(sys.executable, "-m", "infra.local", name, env=environment)
