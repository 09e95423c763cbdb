"""Finds the source files of the Lambdas, and the files that have changed."""

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.collections.backups import is_backup
from infra.collections.folder import paths_read
from infra.packaging.package import ASSEMBLED_PAGE, PAGE_PARTS
from infra.packaging.source_files import paths_below
from infra.settings import ROOT

SHARED = ROOT / "jobpipe"
_APPLIED = {".py", *PAGE_PARTS}  # a change of any other file needs a deployment

State = tuple[int, int]
"""The time of a file's last change, in nanoseconds, and its size."""


@dataclass(frozen=True)
class Sources:
    """The source files that a deployment uses."""

    apps: dict[str, Path]  # the folder of each app
    collections: Path

    def read(self) -> dict[Path, State]:
        """Return the state of each file, except files that are deleted meanwhile."""
        states: dict[Path, State] = {}
        for path in self._paths():
            try:
                found = path.lstat()  # a deployment refuses links
            except OSError:
                continue
            states[path] = (0, 0) if stat.S_ISDIR(found.st_mode) else (found.st_mtime_ns, found.st_size)
        return states

    def entries(self, app: str, changed: set[Path]) -> dict[str, Path] | None:
        """Return the app's changed files by their names in its zip; None if the change needs a deployment.

        The files of the console share one name, since they are one page in the zip.
        """
        entries: dict[str, Path] = {}
        for path in changed:
            is_ours = any(path.is_relative_to(folder) for folder in (*self.apps.values(), SHARED))
            if path.suffix not in _APPLIED or not is_ours:
                return None
            if path.is_relative_to(self.apps[app]):
                name = path.relative_to(self.apps[app]).as_posix()
                entries[ASSEMBLED_PAGE if path.suffix in PAGE_PARTS else name] = path
            elif path.is_relative_to(SHARED):
                entries[path.relative_to(SHARED.parent).as_posix()] = path
        return entries

    def is_module_of_collection(self, path: Path) -> bool:
        """Return whether the file may contain operations."""
        return path.suffix == ".py" and path.is_relative_to(self.collections)

    def _paths(self) -> Iterator[Path]:
        for folder in (*self.apps.values(), SHARED, ROOT / "infra" / "templates"):
            for path in paths_below(folder):
                hidden = any(part.startswith((".", "__pycache__")) for part in path.relative_to(folder).parts)
                if path.suffix and not hidden and not is_backup(path.name):
                    yield path
        yield from paths_read(self.collections)


def changed_files(before: dict[Path, State], after: dict[Path, State]) -> set[Path]:
    """Return the files that were saved, added or deleted."""
    return {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
