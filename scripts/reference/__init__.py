"""The pages of docs/reference, made from what they describe: by `make reference`, and held by a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from infra.settings import ROOT
from scripts.reference import contract, errors, rights, settings

FOLDER = ROOT / "docs" / "reference"

PAGES: dict[Path, Callable[[], str]] = {
    FOLDER / "settings.md": settings.page,
    FOLDER / "errors.md": errors.page,
    FOLDER / "rights.md": rights.page,
    FOLDER / "openapi.json": contract.page,
}
