"""The owner that an API key belongs to."""

from __future__ import annotations

import pytest

from api_lambda.chalicelib.http.callers import owner_of
from infra.keys.api_keys import new_api_key
from jobpipe.domain.errors import Forbidden
from tests.helpers.pipeline import Pipeline


@pytest.mark.parametrize("owner", ["operator", "a", "deadbeef", "team7", "a" * 63])
def test_all_keys_of_an_owner_stand_for_it(owner: str) -> None:
    assert owner_of(new_api_key(owner)) == owner_of(new_api_key(owner)) == owner


@pytest.mark.parametrize(
    "key", ["x" * 40, "0" * 40, "Operator" + "0" * 32, "op-erator" + "0" * 32, "a" * 64 + "0" * 32, "é" + "0" * 32]
)
def test_a_key_of_another_form_stands_for_itself_and_is_not_stored(key: str) -> None:
    owner = owner_of(key)
    assert owner.startswith("key-")
    assert key not in owner
    assert owner != owner_of(key + "0")
    assert owner_of(key) == owner


MINE, FORGED = new_api_key("mallory"), "alice" + "0" * 32


@pytest.mark.parametrize(
    "several",
    [
        {"x-api-key": [MINE, FORGED]},
        {"x-api-key": [FORGED, MINE]},
        {"x-api-key": [MINE], "X-API-KEY": [FORGED]},
        {"X-API-KEY": [FORGED], "x-api-key": [MINE]},
        {"x-api-key": [f"{MINE}, {FORGED}"]},
    ],
)
@pytest.mark.parametrize("checked_key", [MINE, ""], ids=["the gateway tells", "it does not"])
def test_a_second_key_does_not_change_the_caller(
    pipeline: Pipeline, several: dict[str, list[str]], checked_key: str
) -> None:
    job = pipeline.request("POST", "/items", {"name": "n", "description": "d"}, owner="alice").json
    path = f"/jobs/{job['id']}"
    assert pipeline.request("GET", path, owner="alice").status == 200
    assert pipeline.request("GET", path, several=several, checked_key=checked_key).status == 404


def test_the_key_that_the_gateway_checked_is_the_one_that_counts(pipeline: Pipeline) -> None:
    job = pipeline.request("POST", "/items", {"name": "n", "description": "d"}, owner="alice").json
    path = f"/jobs/{job['id']}"
    assert pipeline.request("GET", path, owner="alice", checked_key=MINE).status == 404
    assert pipeline.request("GET", path, owner="mallory", checked_key=new_api_key("alice")).status == 200


def test_an_empty_key_is_refused() -> None:
    with pytest.raises(Forbidden):
        owner_of("")
