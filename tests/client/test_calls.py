"""The bodies of requests."""

from __future__ import annotations

from decimal import Decimal

import pytest

from jobpipe_client import calls, json_text

LONE = ["\ud800", "a\udfffb", "\udce4 \u00e4"]


@pytest.mark.parametrize("text", LONE)
@pytest.mark.parametrize("number", [1, Decimal("0.12345678901234567890123")])
def test_a_lone_surrogate_is_sent_as_a_json_escape(text: str, number: int | Decimal) -> None:
    document = {"name": text, text: [number]}
    body = calls.encode(document)
    assert json_text.decode(body.decode("utf-8")) == document


def test_all_other_text_is_sent_unchanged() -> None:
    assert calls.encode({"name": "Grüße \\ud800 😀"}) == '{"name":"Grüße \\\\ud800 😀"}'.encode()


def test_an_id_with_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogate"):
        calls.item_path("a\ud800")
