"""The collections of tests/collections/shop, compiled as for a Lambda: orders and subscriptions."""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from infra.collections.build import build_package
from jobpipe.domain.documents.collection import Registry
from jobpipe.runtime.collections import PACKAGE, registry_of
from tests.helpers.commands import ROOT

SHOP = ROOT / "tests" / "collections" / "shop"


@cache
def shop() -> Registry:
    """Return the registry with items, orders and subscriptions."""
    return compiled(SHOP, "shop")


def compiled(folder: Path, name: str) -> Registry:
    """Compile a folder of collections and return its registry; `name` tells its modules from those of others."""
    place = Path(tempfile.mkdtemp(prefix="collections-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    build_package(folder, place)
    package = f"{PACKAGE}_{name}"
    (place / PACKAGE).rename(place / package)
    sys.path.insert(0, str(place))
    return registry_of(import_module(package).COLLECTIONS, package)


def order(number: str = "A-1", **members: Any) -> dict[str, Any]:
    """Return an open order."""
    lines = [{"sku": "tent", "quantity": 2, "price": 19.99}]
    return {"number": number, "customer": "alice", "status": "open", "lines": lines, "total": 39.98, **members}


def subscription(seat: str = "a-1", **members: Any) -> dict[str, Any]:
    """Return a subscription of the free plan."""
    return {"seat": seat, "plan": "free", "starts_on": "2026-11-29", "renewals": 0, "active": True, **members}
