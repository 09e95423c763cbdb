"""A document without its key is refused for one reason."""

from __future__ import annotations

import pytest

from jobpipe.domain.errors import InvalidRequest
from tests.helpers.shop import order, shop


def test_a_missing_key_that_the_schema_requires_is_one_violation() -> None:
    orders, document = shop().get("orders"), order()
    assert orders is not None
    del document["number"]
    with pytest.raises(InvalidRequest) as refused:
        orders.check_new(document)
    assert [each.detail for each in refused.value.violations] == ["`number` is required."]
