"""The emulator's own virtual environment: what AWS's Python runtime has, and nothing of ours."""

import hashlib
import subprocess
import sys
from pathlib import Path

from infra.errors import OperatorError
from infra.file_lock import file_lock
from infra.reasons import on_screen
from infra.settings import EMULATOR_VENV, tool_environment

LOCK_FILE = Path(__file__).with_name("requirements.lock")


def ensure_venv(venv: Path = EMULATOR_VENV) -> Path:
    """The interpreter of an environment that holds exactly requirements.lock; made anew when the lock changes."""
    python = venv / "bin" / "python"
    stamp = venv / "requirements.sha256"
    wanted = hashlib.sha256(LOCK_FILE.read_bytes() + sys.version.encode()).hexdigest()
    with file_lock(venv.with_name(f"{venv.name}.lock")):
        if not (stamp.exists() and stamp.read_text() == wanted and python.exists()):
            print("installing the emulator (MiniStack) ...", flush=True)
            _run([sys.executable, "-m", "venv", "--clear", str(venv)])
            _run([str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(LOCK_FILE)])
            stamp.write_text(wanted)
    return python


def _run(command: list[str]) -> None:
    done = subprocess.run(command, env=tool_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
        raise OperatorError(f"the emulator cannot be installed: {on_screen(said[-1])}")
