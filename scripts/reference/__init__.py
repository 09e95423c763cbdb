"""The pages of docs/reference, which `make reference` writes from the sources."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

from api_lambda.chalicelib.contract.openapi import document
from infra.settings import ROOT
from scripts.markdown import with_tables
from scripts.reference import errors, rights, settings

_FOLDER = ROOT / "docs" / "reference"


def _contract() -> str:
    """Return the OpenAPI document of a stage with default parameters, with a line for each member."""
    days = float(settings.declarations()["JobRetentionDays"]["api"]["Default"])
    return json.dumps(document(timedelta(days=days)), indent=1, ensure_ascii=False) + "\n"


def _page(path: Path, tables: Callable[[], dict[str, str]]) -> str:
    return with_tables(path.read_text(), tables())


_TABLES = {"settings.md": settings.tables, "errors.md": errors.tables, "rights.md": rights.tables}
PAGES: dict[Path, Callable[[], str]] = {
    **{_FOLDER / name: partial(_page, _FOLDER / name, tables) for name, tables in _TABLES.items()},
    _FOLDER / "openapi.json": _contract,
}
"""Each page, and the function that returns its present content."""
