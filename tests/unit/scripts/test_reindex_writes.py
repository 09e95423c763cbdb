"""The transactions of `make reindex`, which all have the row of the collection in common."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from jobpipe.domain.documents.item import DocumentRef, StoredItem
from scripts.reindex import rebuild
from scripts.reindex.rebuild import Rebuild

ROW = StoredItem("a" * 32, "v1", "", DocumentRef("k", "s3v"), "{}", "t", "t")
CHECK: Any = {"ConditionCheck": {}}


def test_threads_do_not_meet_at_the_row_that_their_transactions_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """DynamoDB cancels a transaction that meets another one; the emulators never do."""
    running, most = 0, 0
    lock = threading.Lock()

    def transact(_: Any, __: str, writes: list[Any]) -> None:
        nonlocal running, most
        assert writes[-1] is CHECK
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1

    monkeypatch.setattr(rebuild, "transact", transact)
    read: Any = SimpleNamespace(clients=None, tables=SimpleNamespace(collections="collections"))
    store: Any = SimpleNamespace(lookup_writes=lambda *_: ({}, []))
    collection: Any = SimpleNamespace(name="orders")
    each: Any = Rebuild(read, read, collection, lambda: None, CHECK)
    new = replace(ROW, entries={"customer": "orders##customer#s#alice"})
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: each._write(ROW, new, "", store), range(8)))
    assert most == 1
