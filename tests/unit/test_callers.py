"""P9: who an API key stands for."""

from __future__ import annotations

import pytest

from api_lambda.chalicelib.callers import owner_of
from infra.api_keys import new_api_key
from jobpipe.errors import Forbidden


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


def test_no_key_is_nobody() -> None:
    with pytest.raises(Forbidden):
        owner_of("")
