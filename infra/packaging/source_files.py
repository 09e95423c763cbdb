"""Selects the files of a Lambda: modules, and a few data files by name. The build fails on any other file.

Otherwise a zip could contain files that were left in the folder by accident. Editors' backups are skipped.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from infra.collections.backups import is_backup
from infra.errors import OperatorError

_MODULE = re.compile(r"([a-z_][a-z0-9_]*/)*[a-z_][a-z0-9_]*\.py")
_CONSOLE = r"chalicelib/console/(page\.html|style\.css|[a-z_]+\.js)"
_CONTRACT = r"chalicelib/contract/openapi\.yaml"
_APP = re.compile(
    rf"app\.py|chalicelib/{_MODULE.pattern}|{_CONSOLE}|{_CONTRACT}|\.chalice/config\.json|requirements\.(in|txt)"
)
# No build reads these caches of Python and the checks, and these outputs of Chalice.
_IGNORED = re.compile(r"(.*/)?(__pycache__|\.\w+_cache)(/.*)?|\.chalice/(deployments|deployed)(/.*)?")


def app_files(folder: Path) -> list[Path]:
    """Return an app's modules, the parts of its page, and the settings of Chalice and pip."""
    return list(_files(folder, _APP))


def package_files(folder: Path) -> list[Path]:
    """Return a package's modules."""
    return list(_files(folder, _MODULE))


def _files(folder: Path, expected: re.Pattern[str]) -> Iterator[Path]:
    for path in sorted(paths_below(folder)):
        name = path.relative_to(folder).as_posix()
        if _IGNORED.fullmatch(name) or is_backup(path.name):
            continue
        if path.is_symlink() or not path.is_file() or not expected.fullmatch(name):
            raise OperatorError(
                f"{folder.name}/{name} is neither a module nor a known data file: move it elsewhere"
                " (infra/packaging/source_files.py)"
            )
        yield path


def paths_below(folder: Path) -> Iterator[Path]:
    """Yield the files and links below a folder. A folder that is deleted meanwhile is skipped."""
    for where, folders, files in os.walk(folder):
        yield from (Path(where, name) for name in files)
        yield from (path for path in (Path(where, name) for name in folders) if path.is_symlink())
