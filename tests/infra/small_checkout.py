"""A small checkout: the real Makefile and infra/, and a lock of one package, which is in a folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.commands import ROOT

TARGET = ".jobpipe/checks-venv/.installed"
# The system's interpreter has only the standard library, unlike that of the tests.
PYTHON = str(Path(sys.executable).resolve())


@dataclass
class Checkout:
    """A small checkout and its user."""

    folder: Path
    home: Path
    wheels: Path

    @property
    def environment(self) -> Path:
        return self.folder / ".jobpipe" / "checks-venv"

    @property
    def variables(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "PYTHON": PYTHON}

    def start(self, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["make", TARGET],
            cwd=self.folder,
            env=self.variables | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def make(self, **more: str) -> list[str]:
        """Run make, which must succeed, and return the lines that it prints."""
        made = self.start(**more)
        output = "".join(made.communicate(timeout=300))
        assert made.returncode == 0, output
        assert self.version() == "1.0"
        return output.splitlines()

    def version(self) -> str:
        """Return the package's version, which the environment's script prints."""
        script = self.environment / "bin" / "probe"
        return subprocess.run([script], capture_output=True, text=True, check=True).stdout.strip()

    def lock(self, comment: str = "") -> None:
        (wheel,) = self.wheels.iterdir()
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        lock = self.folder / "infra" / "checks" / "requirements.lock"
        lock.write_text(f"# {comment}\nprobe==1.0 --hash=sha256:{digest}\n")


def new_checkout(folder: Path) -> Checkout:
    checkout = Checkout(folder / "checkout", folder / "home", folder / "wheels")
    shutil.copytree(ROOT / "infra", checkout.folder / "infra", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Makefile", checkout.folder)
    checkout.wheels.mkdir()
    with zipfile.ZipFile(checkout.wheels / "probe-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("probe.py", "def main() -> None:\n    print('1.0')\n")
        about = "probe-1.0.dist-info"
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: probe\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/entry_points.txt", "[console_scripts]\nprobe = probe:main\n")
        names = ("METADATA", "WHEEL", "RECORD", "entry_points.txt")
        wheel.writestr(
            f"{about}/RECORD", "".join(f"{each},,\n" for each in ["probe.py", *(f"{about}/{n}" for n in names)])
        )
    checkout.lock()
    configure(checkout.home, "[global]", "no-index = true", f"find-links = {checkout.wheels.as_uri()}")
    return checkout


def configure(home: Path, *lines: str) -> None:
    path = home / ".config" / "pip" / "pip.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
