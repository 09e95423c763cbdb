"""What only a checkout of jobpipe has: the operators' programs, which know the stage's AWS."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from jobpipe_client.cli.exits import OperatorError


def checkout_module(name: str) -> ModuleType:
    """A module of `scripts`; OperatorError where there is no checkout, or not what it needs."""
    if importlib.util.find_spec("scripts") is None or importlib.util.find_spec("infra") is None:
        root = next((each for each in (Path.cwd(), *Path.cwd().parents) if _is_checkout(each)), None)
        if root is None:
            raise OperatorError("this needs a checkout of jobpipe: run it there")
        sys.path.insert(0, str(root))
        importlib.invalidate_caches()
    try:
        return importlib.import_module(f"scripts.{name}")
    except ModuleNotFoundError as error:
        if error.name in {"scripts", f"scripts.{name}"}:
            raise OperatorError("this needs a checkout of jobpipe: run it there") from None
        raise OperatorError(f"this needs the checkout's own environment: there is no {error.name} here") from None


def _is_checkout(folder: Path) -> bool:
    return all((folder / part).is_file() for part in ("scripts/audit.py", "infra/targets.py", "jobpipe/job.py"))
