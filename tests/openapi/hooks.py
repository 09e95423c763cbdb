"""Rules of this API for schemathesis that its OpenAPI document cannot express."""

from __future__ import annotations

import re
import unicodedata
from datetime import timedelta, timezone
from typing import Any
from uuid import uuid4

import schemathesis
from hypothesis import strategies as st

from api_lambda.chalicelib.http import request_fields
from api_lambda.chalicelib.http.request_fields import LISTED_STATUSES, STATUSES_WITH_LISTS, make_cursor
from api_lambda.chalicelib.http.time_fields import round_time_up
from jobpipe.domain import etags, json_text
from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.commands import not_after, not_before
from jobpipe.domain.documents.item_rules import name_key
from jobpipe.domain.errors import Refusal
from jobpipe.domain.events.cloud_event import EVENT_ID

schemathesis.openapi.format("item-cursor", st.uuids().map(lambda item_id: make_cursor(str(item_id))))
schemathesis.openapi.format(
    "job-cursor",
    st.builds(
        lambda status, at, job_id: make_cursor(f"{status}#{rfc3339(at)}#{job_id.hex}"),
        st.sampled_from([*STATUSES_WITH_LISTS, "all"]),
        st.datetimes(),
        st.uuids(),
    ),
)
schemathesis.openapi.format("event-cursor", st.from_regex(EVENT_ID, fullmatch=True).map(make_cursor))
schemathesis.openapi.format(
    "webhook-url",
    st.builds(
        "https://{}.example{}".format,
        st.from_regex("[a-z][a-z0-9]{0,20}", fullmatch=True),
        st.from_regex("(:443)?(/[a-z0-9._~%-]{0,8}){0,3}([?][a-z0-9=&]{0,8})?", fullmatch=True),
    ),
)
# A time limit must be to come, which a schema cannot say. Other members take any time.
schemathesis.openapi.format(
    "date-time",
    st.builds(
        lambda minutes, zone: (now() + timedelta(minutes=minutes)).astimezone(zone).isoformat(),
        st.integers(10, 500_000),
        st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
    ),
)


_ITEM_CURSOR_LENGTH = len(make_cursor("00000000-0000-4000-8000-000000000000"))
_BLANK = {"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"}


_NO_LOOK_UPS = {"limit", "cursor", "status", "wait", "collection", "since", "until", "owner"}


@schemathesis.hook
def filter_query(context: schemathesis.HookContext, query: Any) -> bool:
    """Return whether the parameters belong together; OpenAPI has no rules between two of them."""
    if not isinstance(query, dict) or "wait" in query:
        return True
    if fields := query.keys() - _NO_LOOK_UPS:  # a look-up is by one field, and its pages have other cursors
        return len(fields) == 1 and not query.keys() & {"limit", "cursor"}
    listed = query.get("status") in LISTED_STATUSES
    try:
        since, until = (round_time_up(name, query[name]) if name in query else None for name in ("since", "until"))
    except (Refusal, TypeError):
        return False  # a time of a leap second, or of the years before 1 or after 9999 in UTC
    if (since and until and since > until) or ("owner" in query and not listed):
        return False
    if "cursor" not in query or len(str(query["cursor"])) == _ITEM_CURSOR_LENGTH:
        return True
    of_list = make_cursor(f"{query['status'] if query.get('status') in STATUSES_WITH_LISTS else 'all'}#")[:5]
    return query.get("owner") != "*" and str(query["cursor"]).startswith(of_list)


@schemathesis.hook
def filter_path_parameters(context: schemathesis.HookContext, path_parameters: Any) -> bool:
    """Exclude ids with format characters beyond the basic plane, which the schema allows."""
    return not isinstance(path_parameters, dict) or _is_valid_id(path_parameters.get("item_id"))


def _is_valid_id(item_id: Any) -> bool:
    return not any(ord(each) > 0xFFFF and unicodedata.category(each) == "Cf" for each in str(item_id))


@schemathesis.hook
def filter_body(context: schemathesis.HookContext, body: Any) -> bool:
    """Exclude invalid numbers and names that the schema allows: digits, exponents, invisible characters."""
    if not isinstance(body, dict):
        return True
    try:
        json_text.decode(json_text.encode(body))
    except Refusal:
        return False
    commands = body.get("commands")
    bodies = [each for each in commands if isinstance(each, dict)] if isinstance(commands, list) else [body]
    return all(
        _is_valid_id(each.get("item_id")) and _has_visible_names(each) and _has_time_to_come(each)
        for each in bodies
    )


def _has_time_to_come(body: dict[str, Any]) -> bool:
    """Return whether the times of a command are absent, or such as the API accepts now."""
    try:
        limit = not_after.check_form(body["not_after"]) if "not_after" in body else None
        time = not_before.check_form(body["not_before"]) if "not_before" in body else None
        not_after.check_at_acceptance(limit, now() + timedelta(minutes=1))
        not_before.check_at_acceptance(time, limit, now())
    except Refusal:
        return False
    return True


def _has_visible_names(body: dict[str, Any]) -> bool:
    names = (part.get("name") for part in (body, *body.values()) if isinstance(part, dict))
    return all(not isinstance(name, str) or not name.strip() or _is_visible(name) for name in names)


def _is_visible(name: str) -> bool:
    """Return whether a character of the name is visible, and none is an invisible one beyond the basic plane."""
    visible = any(unicodedata.category(each) not in _BLANK and each != "\u2800" for each in name_key(name))
    return visible and not re.search("[\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]", name)


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: Any) -> bool:
    """Apply the filters in the coverage phase, which calls no other filter and ignores the pattern of a header."""
    if case.meta is not None and case.meta.generation.mode.is_negative:
        return not _violates_only_a_format(case)
    if case.path.endswith("/{operation}") and not _takes(case):
        return False
    if_match = (case.headers or {}).get("If-Match")
    return (if_match is None or etags.IF_MATCH.fullmatch(if_match) is not None) and filter_query(
        context, case.query
    )


_VIOLATES_FORMAT = ("violates `format`", "violates `format:")


def _violates_only_a_format(case: Any) -> bool:
    """Return whether only a `format` is violated, which in the schemas of collections is a note."""
    of_user = case.path.split("/")[1] in case.operation.schema.raw_schema["x-jobpipe-collections"]
    made = case.meta.phase.data
    if not of_user or len(made.mutations) > 1 or not made.description:
        return False
    # The phases have words of their own for it.
    return "' format" in made.description or made.description.lower().startswith(
        ("violates `format`", "violates `format:")
    )


def _takes(case: Any) -> bool:
    """Return whether the operation that the path names takes the members of the body."""
    collection = case.operation.schema.raw_schema["x-jobpipe-collections"][case.path.split("/")[1]]
    operation = collection["operations"].get((case.path_parameters or {}).get("operation"))
    given = set(case.body) if isinstance(case.body, dict) else set()
    if operation is None:
        return False
    return set(operation["takes"]) <= given <= {*operation["takes"], *operation["optional"]}


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: Any, kwargs: dict[str, Any]) -> None:
    """In a sequence of requests, let each write of an item have its effect before the next request.

    It waits for its job. Its Idempotency-Key is a new one: a key of an earlier sequence would name a job that ended
    then, and the item that it created may be deleted.
    """
    phase = case.meta.phase.name.value if case.meta else ""
    others = ("/jobs", "/batches")
    if phase == "stateful" and case.method != "GET" and not case.path.startswith(others):
        headers = {**(case.headers or {}), "Prefer": "wait=10"}
        if request_fields.IDEMPOTENCY_KEY.fullmatch(headers.get("Idempotency-Key", "")):
            headers["Idempotency-Key"] = uuid4().hex
        case.headers = headers
