"""Parse the body, headers and query of a request; raise InvalidRequest if they are not valid."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from jobpipe.domain import etags, json_text
from jobpipe.domain.commands import not_after
from jobpipe.domain.commands.command import check_member
from jobpipe.domain.documents.item_ref import COLLECTION_NAME
from jobpipe.domain.documents.item_rules import MAX_DOCUMENT_BYTES, check_item_id
from jobpipe.domain.errors import InvalidRequest, TooLarge, Unstorable, UnsupportedMediaType
from jobpipe.domain.jobs.job import Status, is_job_id
from jobpipe.domain.jobs.job_filter import JobFilter
from jobpipe.domain.violations import Violations

from .callers import OWNER, UNNAMED_OWNER, Right
from .request_and_response import HttpRequest
from .time_fields import round_time_up

T = TypeVar("T")

JSON = ("application/json",)
JSON_OR_MERGE_PATCH = ("application/json", "application/merge-patch+json")

MAX_WAIT_SECONDS = 20
"""API Gateway ends a request after 29 seconds."""
MAX_PREFER_LENGTH = 1024
DEFAULT_WAIT_SECONDS = 0.25
"""The wait of `?wait` without a number: it costs less than the poll that it may save (docs/decisions/0020)."""
MAX_PAGE = 100
DEFAULT_PAGE = 50

LISTED_STATUSES = (Status.FAILED, Status.RETRYING)
"""The statuses by which operators list the jobs of all owners."""
STATUSES_WITH_LISTS = (Status.SCHEDULED, *LISTED_STATUSES)
"""The statuses whose jobs every stage lists; jobs in other statuses are only in the list of all jobs."""

# RFC 9110, section 8.3.1. No character matches in two ways, so the expressions do not backtrack.
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = rf'({_WORD})=({_WORD}|"(?:[^"\\]|\\.)*")'
_MEDIA_TYPE = re.compile(rf"({_WORD}/{_WORD})[ \t]*((?:;[ \t]*(?:{_PARAMETER}[ \t]*)?)*)")
_ONE_PARAMETER = re.compile(_PARAMETER)
IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
# One preference of a list: a comma inside a quoted string does not end it.
_PREFERENCE = re.compile(r'(?:[^,"]|"(?:\\.|[^"\\])*")+')
_ITEM_CURSOR = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # a UUID, as items are named
_INDEX_CURSOR = re.compile(rf"[0-9T:.-]{{1,32}}Z#{_ITEM_CURSOR.pattern}")
_JOB_CURSOR = re.compile(r"(scheduled|failed|retrying|all)#[0-9T:.-]{1,32}Z#[0-9a-f]{32}")
_SHARD = rf"(?:{OWNER.pattern}|{UNNAMED_OWNER.pattern})(?:#[0-9])?"
_PLACE = rf"[0-9a-f]{{32}}\|{_SHARD}\|(?:failed|retrying)#[0-9T:.-]{{1,32}}Z"
_ALL_OWNERS_CURSOR = rf"lists\|{_PLACE}|trouble(?:\|{_PLACE})?"  # compiled when it is first used
EVERY_OWNER = "*"
_WHOLE_NUMBER = re.compile(r"[0-9]{1,9}")


def json_body(
    request: HttpRequest,
    check: Callable[[Any], T],
    media_types: tuple[str, ...] = JSON,
    *,
    empty_as: str | None = None,
) -> T:
    """Return the result of `check` for the body's JSON value; an InvalidRequest has the violations of both steps.

    `empty_as` is the JSON that an empty body stands for; without it, an empty body is refused.
    """
    _check_media_type(request, media_types)
    if not request.body.strip():
        if empty_as is None:
            raise InvalidRequest("The request has no body.")
        return check(json_text.decode(empty_as))
    if len(request.body) > MAX_DOCUMENT_BYTES:
        raise TooLarge(f"A body must have at most {MAX_DOCUMENT_BYTES} bytes.")
    try:
        value = json_text.decode(request.body)
    except Unstorable as refusal:
        found = Violations()
        found.add_all(refusal)
        found.collect(check, refusal.value)
        raise found.refusal() from None
    return check(value)


def new_time_limit(request: HttpRequest, at: datetime) -> str | None:
    """Return the time limit in the body of a retry at this time, if there is one."""

    def check(value: Any) -> str | None:
        if not isinstance(value, dict):
            raise InvalidRequest("The body of a retry must be a JSON object.")
        found = Violations()
        for member in value.keys() - {not_after.MEMBER}:
            found.add(f"A retry must not have a member {member[:80]!r}.")
        limit: str | None = None
        if not_after.MEMBER in value:
            limit = found.collect(check_member, value, not_after.MEMBER, not_after.check_form)
        found.check()
        not_after.check_at_acceptance(limit, at)
        return limit

    return json_body(request, check) if request.body.strip() else None


def item_id(request: HttpRequest) -> str:
    """Return the item id in the path."""
    return check_item_id(request.path_parameters["item_id"])


def idempotency_key(request: HttpRequest) -> str | None:
    """Return the Idempotency-Key, if there is one."""
    key = request.headers.get("idempotency-key")
    if key is not None and not IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidRequest("An Idempotency-Key must be 1 to 255 visible ASCII characters.")
    return key


def if_match(request: HttpRequest) -> str | None:
    """Return the If-Match header, if there is one; refuse other preconditions."""
    refuse_preconditions(request, allow_if_match=True)
    return etags.check_if_match(request.headers.get("if-match"))


def refuse_preconditions(request: HttpRequest, *, allow_if_match: bool = False) -> None:
    """Refuse preconditions that the endpoint would ignore."""
    if "if-match" in request.headers and not allow_if_match:
        raise InvalidRequest(
            "If-Match is for PUT, PATCH and DELETE of an item; a raw command has the member if_match instead."
        )
    for header in ("if-none-match", "if-unmodified-since", "if-modified-since"):
        if header in request.headers:
            raise InvalidRequest(f"{header.title()} is not supported on a write, only If-Match is.")


def preferred_wait(request: HttpRequest) -> int:
    """Return the seconds of `Prefer: wait=N` (RFC 7240), or 0 without it; ignore other preferences."""
    header = request.headers.get("prefer", "")
    if len(header) > MAX_PREFER_LENGTH:
        raise InvalidRequest(f"Prefer must have at most {MAX_PREFER_LENGTH} characters.")
    for preference in _PREFERENCE.findall(header):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "wait":
            quoted = re.fullmatch(r'\s*"([^"]*)"\s*', value)
            seconds = quoted[1] if quoted else value.strip()
            return _whole_number("Prefer: wait", seconds, 0, MAX_WAIT_SECONDS)
    return 0


def wait_query(request: HttpRequest) -> float:
    """Return the seconds of `?wait=N`, or 0 without it."""
    value = _single(request, "wait")
    if value is None:
        return 0
    return _whole_number("wait", value, 0, MAX_WAIT_SECONDS) if value else DEFAULT_WAIT_SECONDS


def limit(request: HttpRequest) -> int:
    """Return the greatest number of entries on the page."""
    value = _single(request, "limit")
    return DEFAULT_PAGE if value is None else _whole_number("limit", value, 1, MAX_PAGE)


def cursor(request: HttpRequest) -> str | None:
    """Return the id of the item after which the page starts, if there is one."""
    return _cursor(request, _ITEM_CURSOR)


def job_filter(request: HttpRequest) -> JobFilter:
    """Return the filter for the list of jobs."""
    status, collection = _single(request, "status"), _single(request, "collection")
    if status is not None and status not in {each.value for each in Status}:
        *others, last = (each.value for each in Status)
        raise InvalidRequest(f"status must be {', '.join(others)} or {last}.")
    if collection is not None and not COLLECTION_NAME.fullmatch(collection):
        raise InvalidRequest("collection must be the name of a collection.")
    times = {name: _single(request, name) for name in ("since", "until")}
    since, until = (None if text is None else round_time_up(name, text) for name, text in times.items())
    if since is not None and until is not None and since > until:
        raise InvalidRequest("since must not be later than until.")
    return JobFilter(None if status is None else Status(status), collection, since, until)


def owner_filter(request: HttpRequest, job_filter: JobFilter) -> str | None:
    """Return the owner whose jobs to list, `*` for all owners, or None for the caller itself."""
    owner = _single(request, "owner")
    if owner is None:
        return None
    request.caller.check(Right.SEE_ALL_FAILURES)
    if job_filter.status not in LISTED_STATUSES:
        raise InvalidRequest("With owner, status must be failed or retrying: an operator sees no other jobs.")
    if owner != EVERY_OWNER and not (OWNER.fullmatch(owner) or UNNAMED_OWNER.fullmatch(owner)):
        raise InvalidRequest("owner must be the name of an owner of keys, or * for all owners.")
    return owner


def all_owners_cursor(request: HttpRequest) -> str | None:
    """Return the position after which the page of all owners' jobs starts, if there is one."""
    return _cursor(request, re.compile(_ALL_OWNERS_CURSOR))


def job_cursor(request: HttpRequest, name: str) -> str | None:
    """Return the position after which the page starts in the list of this name, if there is one."""
    # The owner is not part of a cursor: a forged cursor shows another part of the forger's own list.
    after = _cursor(request, _JOB_CURSOR)
    if after is not None and not after.startswith(f"{name}#"):
        # DynamoDB refuses a start key outside the queried range.
        raise InvalidRequest(f"The cursor does not belong to the list of {name} jobs.")
    return after


def index_cursor(request: HttpRequest) -> str | None:
    """Return the index entry after which the page starts, if there is one."""
    return _cursor(request, _INDEX_CURSOR)


def event_cursor(request: HttpRequest, form: re.Pattern[str]) -> str | None:
    """Return the id of the event after which the page starts, if there is one; ids have this form."""
    return _cursor(request, form)


def job_of_events(request: HttpRequest) -> str | None:
    """Return the id of the job whose events to list, or None for the events of all jobs."""
    job_id = _single(request, "job")
    if job_id is not None and not is_job_id(job_id):
        raise InvalidRequest("job must be the id of a job.")
    return job_id


def refuse_paging(request: HttpRequest, field: str) -> None:
    """Refuse `limit` and `cursor` for a look-up that finds at most one document."""
    for name in ("limit", "cursor"):
        if name in request.query:
            raise InvalidRequest(f"A look-up by {field} finds at most one document, so it has no {name}.")


def is_item_cursor(item_id: str) -> bool:
    """Return whether this API assigns ids in this form, so that a page can start after it."""
    return _ITEM_CURSOR.fullmatch(item_id) is not None


def make_cursor(after: str) -> str:
    """Return the cursor of a page that starts after this item or job."""
    return base64.urlsafe_b64encode(after.encode()).decode().rstrip("=")


def _cursor(request: HttpRequest, form: re.Pattern[str]) -> str | None:
    value = _single(request, "cursor")
    if value is None:
        return None
    try:
        # Without validate=True, b64decode skips characters that are not base64.
        decoded = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        decoded = ""
    if not form.fullmatch(decoded) or make_cursor(decoded) != value:
        raise InvalidRequest("The cursor does not belong to this list; take it from the previous page's Link.")
    return decoded


def _check_media_type(request: HttpRequest, allowed: tuple[str, ...]) -> None:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("A body must not have a Content-Encoding.")
    header = request.headers.get("content-type")
    if not header:
        return  # the body must be JSON nevertheless
    media_type = _MEDIA_TYPE.fullmatch(header.strip(" \t"))
    if media_type is None or media_type[1].lower() not in allowed or not _is_utf_8(media_type[2]):
        raise UnsupportedMediaType(
            f"The Content-Type must be {' or '.join(allowed)} in UTF-8, not {header[:80]!r}."
        )


def _is_utf_8(parameters: str) -> bool:
    # `charset*` (RFC 8187) is refused too: a media type has no such parameter.
    named = _ONE_PARAMETER.findall(parameters)
    charsets = [value for name, value in named if name.lower().partition("*")[0] == "charset"]
    return all(charset.strip('"').lower() in ("utf-8", "utf8") for charset in charsets)


def _single(request: HttpRequest, name: str) -> str | None:
    values = request.query.get(name)  # at most one (request_lines.py)
    return values[0] if values else None


def _whole_number(what: str, text: str, least: int, most: int) -> int:
    if not _WHOLE_NUMBER.fullmatch(text) or not least <= int(text) <= most:
        raise InvalidRequest(f"{what} must be a whole number from {least} to {most}.")
    return int(text)
