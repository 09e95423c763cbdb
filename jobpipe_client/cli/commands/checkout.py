"""What only a checkout of jobpipe has: the operators' programs, which know the stage's AWS."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from jobpipe_client.cli.exits import OperatorError


def own_checkout_module(name: str) -> ModuleType:
    """A module of `scripts` of the checkout that this very client is in: for commands of callers, who may stand in
    any folder, and whose code that is they cannot know. OperatorError where there is none, or not what it needs.
    """
    root = Path(__file__).resolve().parents[3]
    if not _is_checkout(root):
        raise OperatorError("this needs the jobpipe of a checkout")
    if str(root) != sys.path[0]:
        sys.path.insert(0, str(root))
        importlib.invalidate_caches()
    return _module(name)


def checkout_module(name: str) -> ModuleType:
    """A module of `scripts`, of the checkout around the folder in which an operator stands if there is no nearer
    one; OperatorError where there is none, or not what it needs.
    """
    if importlib.util.find_spec("scripts") is None or importlib.util.find_spec("infra") is None:
        root = next((each for each in (Path.cwd(), *Path.cwd().parents) if _is_checkout(each)), None)
        if root is None:
            raise OperatorError("this needs a checkout of jobpipe: run it there")
        sys.path.insert(0, str(root))
        importlib.invalidate_caches()
    return _module(name)


def _module(name: str) -> ModuleType:
    module = f"scripts.{name}"
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and f"{module}.".startswith(f"{error.name}."):  # it, or a package around it
            raise OperatorError("this needs a checkout of jobpipe: run it there") from None
        raise OperatorError(f"this needs the checkout's own environment: there is no {error.name} here") from None


def _is_checkout(folder: Path) -> bool:
    return all(
        (folder / part).is_file()
        for part in ("scripts/audit/__main__.py", "infra/targets/target.py", "jobpipe/domain/job.py")
    )
