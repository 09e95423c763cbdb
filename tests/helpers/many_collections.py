"""Folders with many collections: copies of orders under other names."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.helpers.shop import SHOP


def write_copies(folder: Path, number: int) -> Path:
    """Write so many copies of orders, with their operations, into the folder."""
    for n in range(number):
        shutil.copytree(SHOP / "orders", folder / f"orders-{n:02}")
    return folder
