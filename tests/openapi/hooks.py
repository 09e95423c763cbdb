"""What schemathesis must know of this API beyond its OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import schemathesis
from hypothesis import strategies as st

from api_lambda.chalicelib.http_requests import TROUBLE, make_cursor
from jobpipe import etags, json_text
from jobpipe.clock import rfc3339
from jobpipe.errors import Refusal
from jobpipe.item_rules import check_merge_patch

schemathesis.openapi.format("item-cursor", st.uuids().map(lambda item_id: make_cursor(str(item_id))))
schemathesis.openapi.format(
    "job-cursor",
    st.builds(
        lambda status, at, job_id: make_cursor(f"{status}#{rfc3339(at)}#{job_id.hex}"),
        st.sampled_from(TROUBLE),
        st.datetimes(),
        st.uuids(),
    ),
)


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: Any) -> bool:
    """Valid data only where it is valid by the rules, too, that JSON Schema cannot say."""
    if case.meta is None or case.meta.generation.mode.is_negative:
        return True
    return _if_match_is_whole(case) and _is_of_its_list(case.query or {}) and _is_storable(case.body)


def _if_match_is_whole(case: Any) -> bool:
    """The coverage phase pads and cuts to a parameter's lengths without its pattern."""
    if_match = (case.headers or {}).get("If-Match")
    return if_match is None or etags.IF_MATCH.fullmatch(if_match) is not None


def _is_of_its_list(query: Mapping[str, Any]) -> bool:
    """A cursor of failed jobs is none of retrying ones."""
    if "status" not in query or "cursor" not in query:
        return True
    return str(query["cursor"]).startswith(make_cursor(f"{query['status']}#")[:8])


def _is_storable(body: Any) -> bool:
    """No digits and exponents that cannot be stored, no NUL, no name of zero-width characters only."""
    try:
        if isinstance(body, dict):
            json_text.decode(json_text.encode(body))
            for document in (body, *(body[part] for part in ("item", "set", "merge") if part in body)):
                check_merge_patch(document)
    except Refusal:
        return False
    return True


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: Any, kwargs: dict[str, Any]) -> None:
    """In a sequence of requests writes of items are waited for, so that the next one finds what they did."""
    phase = case.meta.phase.name.value if case.meta else ""
    if phase == "stateful" and case.method != "GET" and case.path.startswith("/items"):
        case.headers = {**(case.headers or {}), "Prefer": "wait=10"}
