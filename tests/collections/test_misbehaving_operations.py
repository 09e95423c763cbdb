"""Operations that misbehave at run time, as the trial before a deployment cannot find all of them.

Each costs attempts of its own job and nothing else: its traceback is in the log and nothing of it in an answer, the
document stays as it was, and its neighbours succeed.
"""

from __future__ import annotations

import decimal
import json
import logging
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from jobpipe.domain import json_text
from jobpipe.domain.documents.collection import Registry
from jobpipe.domain.jobs.job import Status
from jobpipe.runtime.telemetry import logger
from tests.helpers.pipeline import Pipeline
from tests.helpers.shop import compiled

SECRET = "the-secret-of-a-traceback"
OPERATIONS = f'''
import decimal
import sys
from decimal import Decimal

from jobpipe.operation import Refused, operation


@operation()
def fail(thing):
    """Raise."""
    raise KeyError("{SECRET}")


@operation()
def leave(thing):
    """End the process."""
    sys.exit("{SECRET}")


@operation()
def interrupt(thing):
    """Raise what only Ctrl-C raises elsewhere."""
    raise KeyboardInterrupt("{SECRET}")


@operation()
def recurse(thing):
    """Recurse without end."""
    return recurse(thing)


@operation()
def nothing(thing):
    """Return nothing."""


@operation()
def nan(thing):
    """Return a number that is none."""
    return {{**thing, "n": float("nan")}}


@operation()
def signalling(thing):
    """Return a Decimal that is none."""
    return {{**thing, "n": Decimal("sNaN")}}


@operation()
def a_set(thing):
    """Return what JSON cannot hold."""
    return {{**thing, "n": {{1, 2}}}}


@operation()
def surrogate(thing):
    """Refuse with a text that no row can hold."""
    raise Refused("odd", chr(0xD800) + "x" * 1_000_000)


@operation()
def deep(thing):
    """Return a document that is nested too deeply."""
    value = []
    for _ in range(100_000):
        value = [value]
    return {{**thing, "n": value}}


@operation()
def infinite(thing):
    """Return a Decimal that is no JSON number."""
    return {{**thing, "n": Decimal("Infinity")}}


@operation()
def too_long(thing):
    """Return a number of 39 digits."""
    return {{**thing, "n": 10**38 + 1}}


@operation()
def huge(thing):
    """Return two megabytes."""
    return {{**thing, "text": "x" * 2_000_000}}


@operation()
def another_id(thing):
    """Return another id."""
    return {{**thing, "id": "x"}}


@operation()
def another_key(thing):
    """Return another key."""
    return {{**thing, "key": "z"}}


@operation()
def no_key(thing):
    """Return no key."""
    return {{"n": 1}}


@operation()
def mutate(thing):
    """Change the argument, and return another document."""
    thing["n"] = 99
    thing["list"].append(1)
    thing.pop("key")
    return {{"key": "a", "n": 2, "list": [2]}}


@operation()
def mutate_and_fail(thing):
    """Change the argument, and raise."""
    thing["n"] = 99
    raise ValueError("{SECRET}")


@operation()
def add(thing):
    """Add to a number of 38 digits."""
    return {{**thing, "n": thing["n"] + Decimal("0.01")}}


@operation()
def careless(thing):
    """Change the context of all calculations."""
    decimal.getcontext().prec = 3
    return {{**thing, "n": 1}}
'''
SCHEMA = {
    "type": "object",
    "properties": {"key": {"type": "string"}, "n": True, "list": True, "text": {"type": "string"}},
    "required": ["key"],
}
FAULTS = ["fail", "leave", "interrupt", "recurse", "nothing", "nan", "a-set", "deep"]
REFUSED = {
    "signalling": 400,
    "infinite": 400,
    "too-long": 400,
    "huge": 413,
    "another-id": 400,
    "another-key": 400,
    "no-key": 400,
    "surrogate": 409,
}


@cache
def things() -> Registry:
    folder = Path(mkdtemp(prefix="things-")) / "things"
    folder.mkdir()
    (folder / "collection.toml").write_text('title = "Thing"\nkey = "key"\n')
    (folder / "schema.json").write_text(json.dumps(SCHEMA))
    (folder / "operations.py").write_text(OPERATIONS)
    return compiled(folder.parent, "things")


@pytest.fixture
def stage() -> Pipeline:
    return Pipeline(registry=things())


def thing(stage: Pipeline, key: str = "a", **members: Any) -> str:
    job = stage.do("POST", "/things", {"key": key, "n": 1, "list": [], **members})
    return str(job["item_id"])


@pytest.mark.parametrize("operation", [*FAULTS, "mutate-and-fail"])
def test_a_fault_of_an_operation_costs_attempts_of_its_own_job(
    stage: Pipeline, operation: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, logger.name)
    item_id, neighbour = thing(stage), thing(stage, "b")
    before = stage.request("GET", f"/things/{item_id}").text
    accepted = stage.request("POST", f"/things/{item_id}/{operation}").json
    beside = stage.request("PUT", f"/things/{neighbour}", {"n": 5}).json
    item = stage.request("POST", "/items", {"name": "tent", "description": "d"}).json
    stage.work()
    assert stage.jobs.rows[beside["id"]].status is stage.jobs.rows[item["id"]].status is Status.SUCCEEDED
    shown = stage.request("GET", f"/jobs/{accepted['id']}")
    assert shown.json["status"] == "retrying"
    stage.drain()
    job = stage.request("GET", f"/jobs/{accepted['id']}")
    assert (job.json["status"], job.json["error"]["type"]) == ("failed", "urn:jobpipe:problem:attempts-spent")
    assert job.json["attempts"] == 5
    for answer in (shown, job):
        assert SECRET not in answer.text
        assert "Error" not in answer.text
        assert "operations.py" not in answer.text
    logged = [record for record in caplog.records if record.exc_info]
    assert len(logged) == 5, "each attempt logs its traceback"
    if operation in {"fail", "time-out", "mutate-and-fail"}:
        assert SECRET in str(logged[0].exc_info)
    assert stage.request("GET", f"/things/{item_id}").text == before
    stage.check_consistent()
    assert stage.do("PUT", f"/things/{item_id}", {"n": 6})["status"] == "succeeded", "the item goes on"


@pytest.mark.parametrize(("operation", "status"), REFUSED.items())
def test_an_answer_that_is_no_valid_document_fails_the_job(stage: Pipeline, operation: str, status: int) -> None:
    item_id = thing(stage)
    before = stage.request("GET", f"/things/{item_id}").text
    job = stage.do("POST", f"/things/{item_id}/{operation}")
    assert (job["status"], job["error"]["status"], job["attempts"]) == ("failed", status, 1), job
    assert len(json.dumps(job["error"], ensure_ascii=False).encode()) < 2000
    assert stage.request("GET", f"/things/{item_id}").text == before
    stage.check_consistent()


def test_an_operation_that_changes_its_argument_changes_nothing_else(stage: Pipeline) -> None:
    item_id = thing(stage)
    job = stage.do("POST", f"/things/{item_id}/mutate")
    assert job["result"] == {"id": item_id, "key": "a", "n": 2, "list": [2]}
    stage.check_consistent()


def test_an_operation_calculates_with_38_digits(stage: Pipeline) -> None:
    number = Decimal("123456789012345678901234567890123456.12")
    accepted = stage.request("POST", "/things", raw=f'{{"key":"a","n":{number}}}').json
    stage.drain()
    assert stage.do("POST", f"/things/{accepted['item_id']}/add")["status"] == "succeeded"
    shown = stage.request("GET", f"/things/{accepted['item_id']}").text
    exact = json_text.decode_with_decimals(shown)["n"]
    assert str(exact) == "123456789012345678901234567890123456.13"


def test_the_context_of_an_operation_ends_with_it(stage: Pipeline) -> None:
    item_id = thing(stage)
    before = decimal.getcontext().prec
    assert stage.do("POST", f"/things/{item_id}/careless")["status"] == "succeeded"
    assert decimal.getcontext().prec == before
