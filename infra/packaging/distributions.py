"""The components of a zip: our sources, and wheels that were downloaded by hash."""

import email
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from infra.cli.reasons import on_screen
from infra.environments.locked_requirements import Locked, read_locked
from infra.environments.pip_settings import pip_environment
from infra.errors import OperatorError

_CHALICE = "chalice"


@dataclass(frozen=True)
class Distribution:
    """One version of a component, and its files that a zip may contain."""

    name: str
    version: str
    licence: str  # from its metadata
    sha256: str | None  # of the wheel; None for our own sources
    requires: frozenset[str]  # names of other distributions, which need not be in the zip
    files: dict[str, bytes]


def fetch_wheels(requirements: Path, tools_lock: Path, folder: Path, kept: Path) -> list[Distribution]:
    """Put the wheels of a Lambda's requirements and of Chalice, whose runtime it copies, into `folder`.

    Return them. Wheels that an earlier build with the same hashes has downloaded are copied from `kept`.
    """
    locked = {each.name: each for each in read_locked(requirements)}
    chalice = [each for each in read_locked(tools_lock) if each.name == _CHALICE]
    locked |= {each.name: each for each in chalice}
    lines = "".join(f"{each.line}\n" for each in locked.values())
    earlier = kept / hashlib.sha256(lines.encode()).hexdigest()[:16]
    folder.mkdir(parents=True)
    for wheel in earlier.glob("*.whl"):
        shutil.copyfile(wheel, folder / wheel.name)
    with suppress(OperatorError, OSError, zipfile.BadZipFile):  # raised if a kept wheel has changed
        found = _read_wheels(folder, locked)
        if {each.name for each in found} == set(locked):
            return found
    shutil.rmtree(folder)
    folder.mkdir()
    _download(requirements, lines, folder)
    found = _read_wheels(folder, locked)
    _keep(folder, earlier)
    return found


def _keep(folder: Path, place: Path) -> None:
    """Copy the wheels to the place in one step, since another build may be reading or writing it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as temporary:
        new = Path(temporary) / "new"
        new.mkdir()
        for wheel in folder.glob("*.whl"):
            shutil.copyfile(wheel, new / wheel.name)
        with suppress(OSError):  # another build was faster
            if place.exists():
                place.rename(Path(temporary) / "old")
            new.rename(place)


def _download(requirements: Path, lines: str, folder: Path) -> None:
    list_file = folder / "requirements.txt"
    list_file.write_text(lines)
    command = [sys.executable, "-m", "pip", "download", "--require-hashes", "--only-binary=:all:", "--no-deps"]
    command += ["--quiet", "--dest", str(folder), "-r", str(list_file)]
    environment = pip_environment(sys.executable)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        output = done.stderr.strip().splitlines() or ["no output"]
        why = next((line for line in output if line.startswith("ERROR: ")), output[-1])
        raise OperatorError(f"the wheels for {requirements.parent.name} cannot be downloaded: {on_screen(why)}")


def _read_wheels(folder: Path, locked: dict[str, Locked]) -> list[Distribution]:
    return [_read_wheel(path, locked) for path in sorted(folder.glob("*.whl"))]


def only_from(folder: Path) -> dict[str, str]:
    """Return settings of pip that restrict Chalice to these wheels: no index, no source archive, no build."""
    # Chalice would build a package from source, by name and version alone, if pip finds no usable wheel for it.
    return {
        "PIP_REQUIRE_HASHES": "1",
        "PIP_ONLY_BINARY": ":all:",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(folder),
        "PIP_CONFIG_FILE": os.devnull,
    }


def our_sources(laid_out: Path, version: str, wheels: Iterable[Distribution]) -> Distribution:
    """Return what Chalice packages from an app's folder: app.py, chalicelib/, and the content of vendor/."""
    vendor = laid_out / "vendor"
    paths = {path.relative_to(vendor).as_posix(): path for path in vendor.rglob("*") if path.is_file()}
    for path in (laid_out / "app.py", *(laid_out / "chalicelib").rglob("*")):
        if path.is_file():
            paths[path.relative_to(laid_out).as_posix()] = path
    files = {name: path.read_bytes() for name, path in paths.items()}
    return Distribution("jobpipe", version, "MIT", None, frozenset(each.name for each in wheels), files)


def _read_wheel(path: Path, locked: dict[str, Locked]) -> Distribution:
    name, version, _, _ = parse_wheel_filename(path.name)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    if name not in locked or sha256 not in locked[name].hashes:
        raise OperatorError(f"{path.name} is not the file that the lock names")
    files: dict[str, bytes] = {}
    metadata = Message()
    with zipfile.ZipFile(path) as wheel:
        for entry in wheel.namelist():
            if entry.endswith("/"):
                continue
            files[_unpacked(entry)] = wheel.read(entry)
            if entry.endswith(".dist-info/METADATA"):
                metadata = email.message_from_bytes(wheel.read(entry))
    licence = metadata.get("License-Expression") or metadata.get("License") or "unknown"
    requires = [Requirement(each) for each in metadata.get_all("Requires-Dist", [])]
    needed = frozenset(canonicalize_name(each.name) for each in requires if not _is_extra(each))
    return Distribution(name, str(version), licence, sha256, needed, files)


def _unpacked(entry: str) -> str:
    """Return the path of a wheel's file when unpacked (PEP 427: purelib and platlib go to the root)."""
    first, _, rest = entry.partition("/")
    kind, _, inside = rest.partition("/")
    return inside if first.endswith(".data") and kind in {"purelib", "platlib"} else entry


def _is_extra(requirement: Requirement) -> bool:
    return requirement.marker is not None and "extra" in str(requirement.marker)
