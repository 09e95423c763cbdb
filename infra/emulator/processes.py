"""Processes by id, told apart so that only our own are ever signalled."""

import subprocess
from pathlib import Path

_PROC = Path("/proc")
_ZOMBIE = "Z"


def identity(pid: int) -> str | None:
    """When a living process was started, which no later owner of the same id shares; None if there is none."""
    if not (_PROC / "self").exists():
        *started, state = _ps("-o", "lstart=,stat=", "-p", str(pid)).split() or [_ZOMBIE]
        return None if state.startswith(_ZOMBIE) else " ".join(started)
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, started_at = fields[0], fields[19]
    return None if state.startswith(_ZOMBIE) else started_at


def running(executable: str, text: str) -> list[int]:
    """The ids of the processes that run this executable with this text in their command line."""
    if not (_PROC / "self").exists():
        lines = (line.strip().partition(" ") for line in _ps("-axo", "pid=,command=").splitlines())
        return [int(pid) for pid, _, command in lines if command.startswith(executable) and text in command]
    found = []
    for entry in _PROC.iterdir():
        if entry.name.isdecimal():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue  # ended meanwhile, or another user's
            words = _words(command)
            if words.startswith(executable) and text in words:
                found.append(int(entry.name))
    return found


def _words(command: bytes) -> str:
    return command.replace(b"\0", b" ").decode(errors="replace").strip()


def _ps(*arguments: str) -> str:
    return subprocess.run(["ps", *arguments], capture_output=True, text=True, check=False).stdout
