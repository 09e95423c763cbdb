"""Values that are the name of no collection of the shop, and of no operation of its orders."""

from __future__ import annotations

from typing import Any

NO_COLLECTIONS: list[Any] = [
    *(None, True, 0, 1.5, [], ["orders"], {}, {"orders": 1}, "", " ", "Orders", "orders ", "orders\n", "orders/"),
    *("__proto__", "constructor", "__class__", "toString", "items\0", "\u043erders", "o" * 32, "o" * 33),
    *("x" * 100_000, "#indexes", "orders#", "orders##0", "../orders", "%6frders", "jobs", "batches", "stats"),
]
NO_OPERATIONS: list[Any] = [
    *(None, True, 0, [], ["ship"], {}, "", "Ship", "ship ", "ship\n", "__init__", "__class__"),
    *("__proto__", "constructor", "get", "items", "keys", "run", "check-new", "scope", "add_line", "create\0"),
    *("s" * 33, "s" * 100_000, "fly"),
]
