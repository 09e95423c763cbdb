"""`python -m tests.clients.npm_packages`: install the npm packages of `make test-clients` by their lock file."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.clients.toolbox import NPM_PACKAGES, PYTHON_TOOLS

FOLDER = NPM_PACKAGES.parent
STAMP = FOLDER / ".installed"
FILES = [Path(__file__).with_name(name) for name in ("package.json", "package-lock.json")]


def main() -> int:
    """Return npm's exit status, or 0 if all packages are installed already. The user's settings of npm apply."""
    wanted = hashlib.sha256(b"".join(path.read_bytes() for path in FILES)).hexdigest()
    if STAMP.is_file() and STAMP.read_text() == wanted:
        return 0
    sys.stderr.write("installing the generators of clients (npm) ...\n")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in FILES:
        shutil.copy(path, FOLDER)
    command = [str(PYTHON_TOOLS / "npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    search = f"{PYTHON_TOOLS}:{os.environ.get('PATH', '')}"  # npm is a script that needs node in PATH
    status = subprocess.run(command, cwd=FOLDER, env={**os.environ, "PATH": search}, check=False).returncode
    if status == 0:
        STAMP.write_text(wanted)
    return status


if __name__ == "__main__":
    sys.exit(main())
