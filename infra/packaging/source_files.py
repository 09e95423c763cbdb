"""Which files of ours make a Lambda: modules, and a few data files by name; anything else there ends the build.

What an editor, a shell or a colleague left lying would otherwise be shipped as ours.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from infra.errors import OperatorError

_MODULE = re.compile(r"([a-z_][a-z0-9_]*/)*[a-z_][a-z0-9_]*\.py")
_CONSOLE = r"chalicelib/console/[a-z_]+\.(html|css|js)"
_CONTRACT = r"chalicelib/contract/openapi\.yaml"
_APP = re.compile(
    rf"app\.py|chalicelib/{_MODULE.pattern}|{_CONSOLE}|{_CONTRACT}|\.chalice/config\.json|requirements\.(in|txt)"
)
# No build reads these: what Python and the checks keep, and what Chalice makes.
_IGNORED = re.compile(r"(.*/)?(__pycache__|\.\w+_cache)(/.*)?|\.chalice/(deployments|deployed)(/.*)?")


def app_files(folder: Path) -> list[Path]:
    """An app's: its modules, the parts of its page, and what Chalice and pip are told."""
    return list(_files(folder, _APP))


def package_files(folder: Path) -> list[Path]:
    """A package's: its modules."""
    return list(_files(folder, _MODULE))


def _files(folder: Path, ours: re.Pattern[str]) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if _IGNORED.fullmatch(name) or (path.is_dir() and not path.is_symlink()):
            continue
        if path.is_symlink() or not path.is_file() or not ours.fullmatch(name):
            raise OperatorError(
                f"{folder.name}/{name} is no module or known data file: move it away"
                " (infra/packaging/source_files.py)"
            )
        yield path
