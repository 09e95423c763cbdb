"""Writes a Lambda's zip reproducibly, and checks its content."""

import hashlib
import re
import zipfile
from pathlib import Path

from infra.errors import OperatorError

REQUIRED = ("app.py", "jobpipe/__init__.py", "jobpipe_collections/__init__.py", "chalice/app.py")
_FORBIDDEN = re.compile(r"(\.(so|pyd|dylib|pyc)(\.|$))|(^|/)__pycache__/|^(boto3|botocore|tests?)/")
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)  # the earliest in a zip
_MODE = 0o100644 << 16


def rewrite(source: Path, target: Path) -> str:
    """Rewrite the zip with a fixed order, times and modes, and return the hash of its content."""
    with zipfile.ZipFile(source) as old:
        files = {name: old.read(name) for name in sorted(old.namelist()) if not name.endswith("/")}
    check(files, source)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _TIMESTAMP)
            entry.external_attr, entry.create_system, entry.compress_type = _MODE, 3, zipfile.ZIP_DEFLATED
            new.writestr(entry, content)
    return content_hash(files)


def content_hash(files: dict[str, bytes]) -> str:
    """Return a hash of names and contents, since the zip's bytes depend on the machine's zlib."""
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{len(name)}:{name}:{len(content)}:".encode() + content)
    return digest.hexdigest()


def check(files: dict[str, bytes], source: Path) -> None:
    """Raise OperatorError if the zip would not run on every target."""
    missing = [name for name in REQUIRED if name not in files]
    if missing:
        raise OperatorError(f"{source.name} lacks {', '.join(missing)}")
    forbidden = [name for name in files if _FORBIDDEN.search(name)]
    if forbidden:
        raise OperatorError(
            f"{source.name} must not contain {', '.join(forbidden[:3])} (compiled, cached or AWS's own)"
        )
