"""Errors and results can be pickled and copied without loss, for pools of processes, task queues and caches."""

from __future__ import annotations

import ast
import builtins
import copy
import importlib
import inspect
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

import jobpipe_client
from jobpipe.domain.documents.item_ref import ItemRef
from jobpipe.domain.errors import InvalidRequest as Refused
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.job import KeptCommand
from jobpipe_client import (
    BatchEntry,
    Client,
    DeliveryAttempt,
    Item,
    Job,
    JobFailed,
    NotFound,
    OperationInfo,
    Problem,
    Webhooks,
)
from scripts.prove.callers import Answer

ROOT = Path(__file__).parents[3]
PACKAGES = ("jobpipe", "jobpipe_client", "infra", "scripts")
NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
PROBLEM = Problem.of(
    {
        "type": "urn:jobpipe:problem:invalid-request",
        "title": "The request is not valid",
        "status": 400,
        "detail": "see errors",
        "request_id": "r-1",
        "errors": [{"pointer": "#/name", "detail": "must be text"}, {"pointer": "#/price", "detail": "too long"}],
    },
    status=400,
)
RAW_JOB = {
    "id": "j-1",
    "status": "failed",
    "done": True,
    "operation": "create",
    "item_id": "i-1",
    "attempts": 2,
    "created_at": NOW.isoformat(),
    "updated_at": NOW.isoformat(),
    "error": dict(PROBLEM.raw),
}
JOB = Job.of(RAW_JOB, retry_after=1.5)
SAMPLES: dict[str, Any] = {
    "str": "text",
    "int": 7,
    "float": 1.5,
    "bool": True,
    "object": "anything",
    "datetime": NOW,
    "Problem": PROBLEM,
    "Answer": Answer(404, {"type": "urn:jobpipe:problem:not-found"}),
    "Job": JOB,
    "Status": "failed",
    "DeliveryState": "delivered",
    "tuple[DeliveryAttempt, ...]": (DeliveryAttempt(NOW, 38, 204, None, replay=False),),
    "Operation": "create",
    "Sequence[Refusal]": [Refused("x")],
    "Sequence[Any]": [{"Code": "ConditionalCheckFailed"}],
    "Sequence[str]": ("i-1", "i-2"),
    "InvalidRequest": Refused("x"),
    "Any": {"a": 1},
    "JobRef": JobRef("j-1", "g-1"),
    "ItemRef": ItemRef("items", "", "i-1"),
    "KeptCommand": KeptCommand(command="{}"),
    "Mapping[str, Any]": {"a": [1]},
    "Mapping[str, int]": {"a": 1},
    "Mapping[str, str]": {"a": "b"},
    "Mapping[str, OperationInfo]": {"ship": OperationInfo("Ship it.", {"carrier": {"type": "string"}}, {})},
    "tuple[str, ...]": ("a", "b"),
    "tuple[BatchEntry, ...]": (BatchEntry.of({"job": RAW_JOB}),),
    "tuple[Mapping[str, Any], ...]": PROBLEM.errors,
}
"""A value for each type that a parameter of these classes has."""


def _pickled(value: Any, protocol: int) -> Any:
    return pickle.loads(pickle.dumps(value, protocol))  # noqa: S301  # just made


COPIES: dict[str, Callable[[Any], Any]] = {
    **{
        f"pickle {protocol}": lambda value, protocol=protocol: _pickled(value, protocol)  # type: ignore[misc]
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    },
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


def is_exception(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, BaseException)


def exception_classes() -> list[type[BaseException]]:
    """Return all classes that the packages define, found in their sources."""
    classes = [
        (".".join(path.relative_to(ROOT).with_suffix("").parts), node)
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
    ]
    names = {name for name, value in vars(builtins).items() if is_exception(value)}
    found: set[tuple[str, str]] = set()
    for _ in range(10):  # a class may stand before its base
        of_errors = [
            (module, node.name)
            for module, node in classes
            if any(ast.unparse(base).rpartition(".")[2] in names for base in node.bases)
        ]
        found |= set(of_errors)
        names |= {name for _, name in of_errors}
    return [getattr(importlib.import_module(module), name) for module, name in sorted(found)]


def sample(kind: type) -> Any:
    """Return an object of the class, with a value for each parameter."""
    own_classes = [each for each in kind.__mro__ if each.__module__.split(".")[0] in PACKAGES]
    if not any("__init__" in vars(each) for each in own_classes):
        return kind("why")
    given: dict[str, Any] = {}
    positional: list[Any] = []
    for each in inspect.signature(kind).parameters.values():
        annotation = each.annotation if isinstance(each.annotation, str) else each.annotation.__name__
        value = SAMPLES[annotation.removesuffix(" | None")]
        if each.kind is each.KEYWORD_ONLY:
            given[each.name] = value
        else:
            positional.append(value)
    return kind(*positional, **given)


ERRORS = exception_classes()
UNPICKLED = {Client, jobpipe_client.SyncClient, jobpipe_client.Collection, jobpipe_client.SyncCollection, Webhooks}
VALUES = [
    value
    for name in jobpipe_client.__all__
    if not is_exception(value := getattr(jobpipe_client, name)) and value not in UNPICKLED
]


def test_the_classes_are_found() -> None:
    assert {each.__name__ for each in ERRORS} > {
        "NotFound",
        "JobFailed",
        "PortTakenError",
        "NoValidCommand",
        "Terminated",
    }
    assert {each.__name__ for each in VALUES} == {
        *("Batch", "BatchEntry", "CollectionInfo", "Connection", "Item", "Job", "OperationInfo", "Problem"),
        *("DeliveryAttempt", "Stats", "Submission", "Webhook", "WebhookDelivery"),
    }


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_error_is_copied_whole(kind: type[BaseException], way: str) -> None:
    error = sample(kind)
    error.add_note("where it was raised")
    error.more = {"set": "later"}

    copied = COPIES[way](error)

    assert type(copied) is kind
    assert str(copied) == str(error)
    assert contents(copied.args) == contents(error.args)
    assert contents(vars(copied)) == contents(vars(error))


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: str(kind.__name__))
def test_every_value_is_copied_whole(kind: type, way: str) -> None:
    value = Item({"id": "i-1", "name": "Tent"}, '"v1"') if kind is Item else sample(kind)

    copied = COPIES[way](value)

    assert type(copied) is kind
    assert contents(copied) == contents(value)


def contents(value: Any) -> Any:
    """The comparable content, with the members that equality ignores and with errors."""
    if isinstance(value, BaseException):
        return type(value), contents(value.args), contents(vars(value))
    if isinstance(value, Item):
        return type(value), dict(value), value.etag
    if hasattr(value, "__dataclass_fields__"):
        return type(value), [(name, contents(getattr(value, name))) for name in value.__dataclass_fields__]
    if isinstance(value, dict):
        return {name: contents(each) for name, each in value.items()}
    return [contents(each) for each in value] if isinstance(value, list | tuple) else value


def fail(number: int) -> int:
    if number == 1:
        raise NotFound(PROBLEM, retry_after=2.0, ended=True)
    if number == 2:
        raise JobFailed(JOB, PROBLEM)
    return number


def test_an_error_can_be_raised_in_a_process_pool() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(fail, number) for number in range(4)]
        with pytest.raises(NotFound) as missing:
            futures[1].result(60)
        with pytest.raises(JobFailed) as failed:
            futures[2].result(60)
        assert [futures[0].result(60), futures[3].result(60)] == [0, 3]
    assert (missing.value.problem, missing.value.retry_after, missing.value.ended) == (PROBLEM, 2.0, True)
    assert (failed.value.job, failed.value.problem) == (JOB, PROBLEM)


@pytest.mark.parametrize("way", [way for way in COPIES if way != "copy"])
def test_a_client_is_not_pickled_since_it_has_a_key(way: str) -> None:
    with pytest.raises(TypeError, match="create one in each process") as refused:
        COPIES[way](Client("http://127.0.0.1:1", "sentinel-key"))
    assert "sentinel" not in str(refused.value)
    with pytest.raises(TypeError, match="create one in each process"):
        pickle.dumps(Client("http://127.0.0.1:1", "sentinel-key").sync)
