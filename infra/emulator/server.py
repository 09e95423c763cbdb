"""Runs MiniStack as a subprocess, bound to 127.0.0.1, with IAM enforced.

When the emulator stops, its data is lost, unless it was started to keep the data. Then it saves the data when it
stops, and the next emulator that keeps its data loads it. The data contains URLs with the port.
"""

import fcntl
import json
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

import psutil
import requests
import tenacity

from infra.cli import http_calls
from infra.cli.file_lock import file_lock
from infra.cli.reasons import on_screen
from infra.environments.venvs import ENVIRONMENTS, ensure
from infra.errors import OperatorError
from infra.settings import EMULATOR_VENV

START_SECONDS = 120
STOP_SECONDS = 5
SAVE_SECONDS = 60
"""How long an emulator that keeps its data may take to save it when it stops."""
_ARGUMENTS = ["-m", "ministack"]


class PortTakenError(OperatorError):
    """Another program listens on the emulator's port."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.port = port

    def __str__(self) -> str:
        return f"port {self.port} is taken by another program; choose a free one with JOBPIPE_PORT=..."


@dataclass(frozen=True)
class Running:
    """The process of a running emulator."""

    pid: int
    port: int
    keeps: bool = False  # whether the emulator saves its data when it stops


@dataclass(frozen=True)
class Emulator:
    """The embedded emulator of one state directory.

    The emulator's process inherits the open PID file, which `start` has locked. The kernel releases the lock when
    the process ends, so a locked file contains the PID of a running emulator, in the emulator's PID namespace.
    """

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
    def kept_dir(self) -> Path:
        """The folder in which an emulator that keeps its data saves it."""
        return self.state_dir / "emulator-kept"

    @cached_property
    def _kept_port(self) -> Path:
        return self.kept_dir / "port"

    @cached_property
    def _data_dirs(self) -> tuple[Path, Path]:
        return self.state_dir / "emulator-data", self.kept_dir

    def start(self, *, keep: bool = False) -> bool:
        """Start the emulator and wait until it is healthy; return False if it was running already.

        With `keep` it loads the data that the last such emulator saved. Raise OperatorError if the running emulator
        does not keep its data, or if the saved data has another port.
        """
        python = ensure_venv()
        with file_lock(self.state_dir / "emulator.lock"):
            running = self.status()
            if running and running.port == self.port:
                self._check_keeps(running, keep=keep)
                return False
            if running:
                raise OperatorError(f"the emulator already runs on port {running.port}: stop it first (make stop)")
            if _is_listening(self.port) and not (self._pid_file.exists() and _is_released(self.port)):
                raise PortTakenError(self.port)
            self._stop()  # deletes what a dead emulator or an interrupted start has left
            folder = self._prepare_folder(keep=keep)
            with self._pid_file.open("w") as pid_file:
                fcntl.flock(pid_file, fcntl.LOCK_EX)
                process = self._launch(python, pid_file, folder, keep=keep)
                json.dump({"pid": process.pid, "port": self.port, "keeps": keep}, pid_file)
            try:
                self._wait_until_healthy(process)
            except BaseException:
                self._stop()
                raise
        return True

    def stop(self) -> bool:
        """End the emulator and delete its data, unless it keeps them; return False if it was not running."""
        with file_lock(self.state_dir / "emulator.lock"):
            return self._stop()

    def status(self) -> Running | None:
        """Return the emulator's process, or None if it is not running."""
        # ValueError: `start` has not written the file yet.
        with suppress(FileNotFoundError, ValueError), self._pid_file.open() as pid_file:
            is_locked = _is_locked(pid_file)
            record = json.load(pid_file)
            # Releases before the lock wrote the same file.
            if is_locked or self._is_emulator(record["pid"]):
                return Running(record["pid"], record["port"], record.get("keeps", False))
        return None

    def _check_keeps(self, running: Running, *, keep: bool) -> None:
        if keep and not running.keeps:
            raise OperatorError("the running emulator does not keep its data: stop it first (make stop)")

    def _prepare_folder(self, *, keep: bool) -> Path:
        """Return the folder for the data, which is empty unless data was kept."""
        temporary, kept = self._data_dirs
        if not keep:
            temporary.mkdir(parents=True)
            return temporary
        kept.mkdir(parents=True, exist_ok=True)
        port = self._kept_port.read_text() if self._kept_port.exists() else str(self.port)
        if port != str(self.port):
            remedy = f"set JOBPIPE_PORT={port}, or delete the folder"
            raise OperatorError(f"the data in {kept} belongs to port {port}: {remedy}")
        self._kept_port.write_text(port)
        return kept

    def _is_emulator(self, pid: int) -> bool:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            process = psutil.Process(pid)
            places = [each for each in self._data_dirs if each.exists()]
            return process.cmdline()[1:] == _ARGUMENTS and any(each.samefile(process.cwd()) for each in places)
        return False

    def _launch(self, python: Path, pid_file: IO[str], folder: Path, *, keep: bool) -> subprocess.Popen[bytes]:
        with self.log_file.open("wb") as log:
            return subprocess.Popen(
                [str(python), *_ARGUMENTS],
                cwd=folder,
                env=self._environment(python, folder, keep=keep),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[pid_file.fileno()],
                start_new_session=True,  # the emulator outlives the shell that ran make
            )

    def _environment(self, python: Path, folder: Path, *, keep: bool) -> dict[str, str]:
        # No variable is inherited, since the Lambdas see this environment too.
        data, kept = str(folder), str(int(keep))
        return {
            "PATH": f"{python.parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": data,
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "AUTH": "true",
            "IOT_MTLS_ENABLED": "0",
            "PERSIST_STATE": kept,
            "S3_PERSIST": kept,
            "S3_DATA_DIR": f"{data}/s3",
            "STATE_DIR": f"{data}/state",
            "TMPDIR": data,
        }

    def _wait_until_healthy(self, process: subprocess.Popen[bytes]) -> None:
        if not _wait_until(lambda: process.poll() is not None or self._is_healthy(), START_SECONDS):
            raise OperatorError(f"the emulator did not become healthy, see {self.log_file}")
        if process.poll() is not None:
            output = self.log_file.read_text(errors="replace").strip().splitlines() or ["no output"]
            if _is_listening(self.port):
                raise PortTakenError(self.port)
            raise OperatorError(f"the emulator ended at once: {on_screen(output[-1])} (see {self.log_file})")

    def _is_healthy(self) -> bool:
        with suppress(requests.RequestException):
            return http_calls.get(f"{self.endpoint_url}/_ministack/health", timeout=2).ok
        return False

    def _stop(self) -> bool:
        running = self.status()
        if running:
            try:
                self._end(psutil.Process(running.pid), SAVE_SECONDS if running.keeps else STOP_SECONDS)
            except psutil.NoSuchProcess:
                pass
            except psutil.AccessDenied:
                raise OperatorError(f"the emulator, process {running.pid}, belongs to another user") from None
            _is_released(running.port)
        self._end_lambdas()
        self._pid_file.unlink(missing_ok=True)
        temporary, _ = self._data_dirs
        shutil.rmtree(temporary, ignore_errors=True)  # it has the code that the emulator unpacked for the Lambdas
        return running is not None

    def _end(self, process: psutil.Process, seconds: float) -> None:
        if process.cmdline()[1:] != _ARGUMENTS:  # the PID is from the container that started the emulator
            raise OperatorError("the emulator runs in another container: stop it there")
        for send_signal in (process.terminate, process.kill):
            send_signal()
            if _wait_until(lambda: self.status() is None, seconds):
                return

    def _end_lambdas(self) -> None:
        # The Lambdas are separate processes: while handling an invocation, they survive the emulator.
        python, folders = str(EMULATOR_VENV / "bin" / "python"), [f"{each}/" for each in self._data_dirs]
        for process in psutil.process_iter(["cmdline"]):
            command = " ".join(process.info["cmdline"] or [])
            if command.startswith(python) and any(each in command for each in folders):
                with suppress(psutil.NoSuchProcess):
                    process.kill()


def _is_locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def ensure_venv() -> Path:
    """Make or renew the emulator's environment, with the packages of AWS's runtime; return its interpreter."""
    return ensure(ENVIRONMENTS["emulator"])


@contextmanager
def running_emulator(state_dir: Path, port: int = 0) -> Iterator[Emulator]:
    """Run an emulator during the block, on a free port if none is given."""
    state_dir = state_dir.resolve()
    emulator = Emulator(state_dir, port) if port else _start_on_free_port(state_dir)
    emulator.start()
    try:
        yield emulator
    finally:
        emulator.stop()


# Another program may take the port after it is chosen and before it is bound.
@tenacity.retry(
    retry=tenacity.retry_if_exception_type(PortTakenError), stop=tenacity.stop_after_attempt(3), reraise=True
)
def _start_on_free_port(state_dir: Path) -> Emulator:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    emulator = Emulator(state_dir, port)
    emulator.start()
    return emulator


def _wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Return whether the condition became true in time."""
    retrying = tenacity.Retrying(
        wait=tenacity.wait_fixed(0.05),
        stop=tenacity.stop_after_delay(seconds),
        retry=tenacity.retry_if_result(lambda is_true: not is_true),
        retry_error_callback=lambda _: False,
    )
    return retrying(condition)


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _is_released(port: int) -> bool:
    """Wait until nothing listens on the port, since sockets may be closed after their process has ended."""
    return _wait_until(lambda: not _is_listening(port), STOP_SECONDS)
