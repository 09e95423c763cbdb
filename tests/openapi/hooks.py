"""What schemathesis must know of this API beyond its OpenAPI document."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import schemathesis
from hypothesis import strategies as st

from api_lambda.chalicelib.http.request_fields import LISTED_STATUSES, make_cursor
from jobpipe.domain import etags, json_text
from jobpipe.domain.clock import rfc3339
from jobpipe.domain.errors import Refusal
from jobpipe.domain.item_rules import name_key

schemathesis.openapi.format("item-cursor", st.uuids().map(lambda item_id: make_cursor(str(item_id))))
schemathesis.openapi.format(
    "job-cursor",
    st.builds(
        lambda status, at, job_id: make_cursor(f"{status}#{rfc3339(at)}#{job_id.hex}"),
        st.sampled_from(LISTED_STATUSES),
        st.datetimes(),
        st.uuids(),
    ),
)


_BLANK = {"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"}


@schemathesis.hook
def filter_query(context: schemathesis.HookContext, query: Any) -> bool:
    """A cursor of failed jobs is none of retrying ones: a rule between two parameters, which OpenAPI cannot say."""
    if not isinstance(query, dict) or not {"status", "cursor"} <= query.keys():
        return True
    return str(query["cursor"]).startswith(make_cursor(f"{query['status']}#")[:8])


@schemathesis.hook
def filter_path_parameters(context: schemathesis.HookContext, path_parameters: Any) -> bool:
    """No ids that only words can exclude: format characters beyond the basic plane."""
    return not isinstance(path_parameters, dict) or _is_sayable(path_parameters.get("item_id"))


def _is_sayable(item_id: Any) -> bool:
    return not any(ord(each) > 0xFFFF and unicodedata.category(each) == "Cf" for each in str(item_id))


@schemathesis.hook
def filter_body(context: schemathesis.HookContext, body: Any) -> bool:
    """No numbers and names that only words can exclude: digits, exponents, characters that nobody sees."""
    if not isinstance(body, dict):
        return True
    try:
        json_text.decode(json_text.encode(body))
    except Refusal:
        return False
    commands = body.get("commands")
    bodies = [each for each in commands if isinstance(each, dict)] if isinstance(commands, list) else [body]
    return all(_is_sayable(each.get("item_id")) and _is_named_visibly(each) for each in bodies)


def _is_named_visibly(body: dict[str, Any]) -> bool:
    names = (part.get("name") for part in (body, *body.values()) if isinstance(part, dict))
    return all(not isinstance(name, str) or not name.strip() or _is_seen(name) for name in names)


def _is_seen(name: str) -> bool:
    """Whether a reader sees something of it, and none of it is one of the invisible characters beyond the BMP."""
    seen = any(unicodedata.category(each) not in _BLANK and each != "\u2800" for each in name_key(name))
    return seen and not re.search("[\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]", name)


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: Any) -> bool:
    """The coverage phase asks no other filter; and it cuts a header to a length whatever its pattern."""
    if case.meta is not None and case.meta.generation.mode.is_negative:
        return True
    if_match = (case.headers or {}).get("If-Match")
    return (if_match is None or etags.IF_MATCH.fullmatch(if_match) is not None) and filter_query(
        context, case.query
    )


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: Any, kwargs: dict[str, Any]) -> None:
    """In a sequence of requests writes of items are waited for, so that the next one finds what they did."""
    phase = case.meta.phase.name.value if case.meta else ""
    if phase == "stateful" and case.method != "GET" and case.path.startswith("/items"):
        case.headers = {**(case.headers or {}), "Prefer": "wait=10"}
