"""MiniStack as a subprocess: bound to 127.0.0.1, IAM enforced, forgetting everything when it stops."""

import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import requests
import tenacity

from infra.cli import http_calls
from infra.cli.file_lock import file_lock
from infra.cli.reasons import on_screen
from infra.emulator import processes
from infra.emulator.venv import ensure_venv
from infra.errors import OperatorError
from infra.settings import EMULATOR_VENV

START_SECONDS = 120
STOP_SECONDS = 5


class PortTakenError(OperatorError):
    """Something else listens where the emulator should."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.port = port

    def __str__(self) -> str:
        return f"port {self.port} is taken by another program; choose a free one with JOBPIPE_PORT=..."


@dataclass(frozen=True)
class Emulator:
    """The embedded emulator of one state directory."""

    state_dir: Path
    port: int

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @cached_property
    def log_file(self) -> Path:
        return self.state_dir / "emulator.log"

    @cached_property
    def _pid_file(self) -> Path:
        return self.state_dir / "emulator.pid"

    @cached_property
    def _data_dir(self) -> Path:
        return self.state_dir / "emulator-data"

    def start(self) -> bool:
        """Starts it and waits until it is healthy; False if it already ran."""
        python = ensure_venv()
        with file_lock(self.state_dir / "emulator.lock"):
            running = self.status()
            if running and running.port == self.port:
                return False
            if running:
                raise OperatorError(f"the emulator already runs on port {running.port}: stop it first (make stop)")
            if _listening(self.port) and not (self._pid_file.exists() and _let_go(self.port)):
                raise PortTakenError(self.port)
            self._forget()
            process = self._launch(python)
            who = processes.identity(process.pid)
            record = {"pid": process.pid, "port": self.port, "identity": who, "folder": str(self.state_dir)}
            self._pid_file.write_text(json.dumps(record))
            try:
                self._wait_until_healthy(process)
            except BaseException:
                self._stop()
                raise
        return True

    def stop(self) -> bool:
        """Ends it and its Lambdas; False if it did not run."""
        with file_lock(self.state_dir / "emulator.lock"):
            return self._stop()

    def status(self) -> "Running | None":
        """The process, if it is ours and alive."""
        try:
            record = json.loads(self._pid_file.read_text())
        except (FileNotFoundError, ValueError):  # none, or one cut short
            return None
        if processes.identity(record["pid"]) != record["identity"]:
            return None
        if self._is_copied_from(record.get("folder", self.state_dir)):
            return None
        return Running(pid=record["pid"], port=record["port"])

    def _is_copied_from(self, folder: str) -> bool:
        """Whether the record was copied from another folder that still exists, so that the process is not ours."""
        with suppress(OSError):
            return not self.state_dir.samefile(folder)
        return False  # the folder was moved here

    def _launch(self, python: Path) -> subprocess.Popen[bytes]:
        with self.log_file.open("wb") as log:
            return subprocess.Popen(
                [str(python), "-m", "ministack"],
                cwd=self._data_dir,
                env=self._environment(python),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # it outlives the shell that ran make
            )

    def _environment(self, python: Path) -> dict[str, str]:
        # Nothing is inherited: the Lambdas see this environment too.
        data = str(self._data_dir)
        return {
            "PATH": f"{python.parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": data,
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "AUTH": "true",
            "IOT_MTLS_ENABLED": "0",
            "PERSIST_STATE": "0",
            "S3_PERSIST": "0",
            "S3_DATA_DIR": f"{data}/s3",
            "STATE_DIR": f"{data}/state",
            "TMPDIR": data,
        }

    def _wait_until_healthy(self, process: subprocess.Popen[bytes]) -> None:
        retrying = tenacity.Retrying(
            wait=tenacity.wait_fixed(0.05),
            stop=tenacity.stop_after_delay(START_SECONDS),
            retry=tenacity.retry_if_result(lambda healthy: not healthy),
        )
        try:
            retrying(self._healthy_or_ended, process)
        except tenacity.RetryError:
            raise OperatorError(f"the emulator did not become healthy, see {self.log_file}") from None
        if process.poll() is not None:
            said = self.log_file.read_text(errors="replace").strip().splitlines() or ["no output"]
            if _listening(self.port):
                raise PortTakenError(self.port)
            raise OperatorError(f"the emulator ended at once: {on_screen(said[-1])} (see {self.log_file})")

    def _healthy_or_ended(self, process: subprocess.Popen[bytes]) -> bool:
        if process.poll() is not None:
            return True
        with suppress(requests.RequestException):
            return http_calls.get(f"{self.endpoint_url}/_ministack/health", timeout=2).ok
        return False

    def _stop(self) -> bool:
        running = self.status()
        if running:
            _end(running.pid)
            _let_go(running.port)
        self._end_lambdas()
        self._pid_file.unlink(missing_ok=True)
        return running is not None

    def _end_lambdas(self) -> None:
        # They are its children; one in the middle of an invocation survives it.
        for pid in processes.running(str(EMULATOR_VENV / "bin" / "python"), f"{self._data_dir}/"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _forget(self) -> None:
        self._end_lambdas()
        shutil.rmtree(self._data_dir, ignore_errors=True)
        self._data_dir.mkdir(parents=True)


@dataclass(frozen=True)
class Running:
    """A live emulator of ours."""

    pid: int
    port: int


@contextmanager
def running_emulator(state_dir: Path, port: int = 0) -> Iterator[Emulator]:
    """An emulator for the time of the block, on a free port if none is given."""
    state_dir = state_dir.resolve()
    emulator = Emulator(state_dir, port) if port else _start_on_free_port(state_dir)
    emulator.start()
    try:
        yield emulator
    finally:
        emulator.stop()


@tenacity.retry(
    retry=tenacity.retry_if_exception_type(PortTakenError), stop=tenacity.stop_after_attempt(3), reraise=True
)
def _start_on_free_port(state_dir: Path) -> Emulator:
    # between choosing the port and binding it, someone else may take it
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    emulator = Emulator(state_dir, port)
    emulator.start()
    return emulator


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _let_go(port: int) -> bool:
    """Whether the port becomes free: a process is gone before the last of its threads closes its sockets."""
    retrying = tenacity.Retrying(
        wait=tenacity.wait_fixed(0.02),
        stop=tenacity.stop_after_delay(STOP_SECONDS),
        retry=tenacity.retry_if_result(lambda listening: listening),
        retry_error_callback=lambda _: True,
    )
    return not retrying(_listening, port)


def _end(pid: int) -> None:
    who = processes.identity(pid)
    gone = tenacity.Retrying(
        wait=tenacity.wait_fixed(0.05),
        stop=tenacity.stop_after_delay(STOP_SECONDS),
        retry=tenacity.retry_if_result(lambda now: now == who),
        retry_error_callback=lambda _: None,
    )
    for number in (signal.SIGTERM, signal.SIGKILL):
        if processes.identity(pid) != who:
            break
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        gone(processes.identity, pid)
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
