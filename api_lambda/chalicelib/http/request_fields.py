"""What a request says, or InvalidRequest: its body, its headers, its query."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any, TypeVar

from jobpipe.domain import etags, json_text
from jobpipe.domain.errors import InvalidRequest, TooLarge, Unstorable, UnsupportedMediaType
from jobpipe.domain.item_rules import MAX_DOCUMENT_BYTES, check_item_id
from jobpipe.domain.job import Status
from jobpipe.domain.violations import Violations

from .request_and_response import HttpRequest

T = TypeVar("T")

JSON = ("application/json",)
JSON_OR_MERGE_PATCH = ("application/json", "application/merge-patch+json")

MAX_WAIT_SECONDS = 20
"""API Gateway gives up at 29."""
MAX_PREFER_LENGTH = 1024
DEFAULT_WAIT_SECONDS = 0.25
"""Of `?wait` without a number: so long waiting costs less than the poll that it may save (docs/decisions/0020)."""
MAX_PAGE = 100
DEFAULT_PAGE = 50

LISTED_STATUSES = ("failed", "retrying")
"""Jobs that can be listed; those that do well are found by their ids."""

# RFC 9110, section 8.3.1. No character can be read in two ways, so that it takes one pass (no backtracking).
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = rf'({_WORD})=({_WORD}|"(?:[^"\\]|\\.)*")'
_MEDIA_TYPE = re.compile(rf"({_WORD}/{_WORD})[ \t]*((?:;[ \t]*(?:{_PARAMETER}[ \t]*)?)*)")
_ONE_PARAMETER = re.compile(_PARAMETER)
IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
# One of a list: a comma inside a quoted string does not end it.
_PREFERENCE = re.compile(r'(?:[^,"]|"(?:\\.|[^"\\])*")+')
_ITEM_CURSOR = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # a UUID, as items are named
_JOB_CURSOR = re.compile(r"(failed|retrying)#[0-9T:.-]{1,32}Z#[0-9a-f]{32}")
_WHOLE_NUMBER = re.compile(r"[0-9]{1,9}")


def json_body(request: HttpRequest, check: Callable[[Any], T], media_types: tuple[str, ...] = JSON) -> T:
    """What the check returns for the body's JSON value; a refusal has the violations of both JSON and check."""
    _check_media_type(request, media_types)
    if not request.body.strip():
        raise InvalidRequest("The request has no body.")
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


def item_id(request: HttpRequest) -> str:
    """The item id in the path."""
    return check_item_id(request.path_parameters["item_id"])


def idempotency_key(request: HttpRequest) -> str | None:
    """The Idempotency-Key, if there is one."""
    key = request.headers.get("idempotency-key")
    if key is not None and not IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidRequest("An Idempotency-Key must be 1 to 255 visible ASCII characters.")
    return key


def if_match(request: HttpRequest) -> str | None:
    """The If-Match header, if there is one; other preconditions are refused."""
    refuse_preconditions(request, but_if_match=True)
    return etags.check_if_match(request.headers.get("if-match"))


def refuse_preconditions(request: HttpRequest, *, but_if_match: bool = False) -> None:
    """Refuse the preconditions that would silently not be kept."""
    if "if-match" in request.headers and not but_if_match:
        raise InvalidRequest(
            "If-Match goes with PUT, PATCH and DELETE of an item; in a raw command it is the member if_match."
        )
    for header in ("if-none-match", "if-unmodified-since", "if-modified-since"):
        if header in request.headers:
            raise InvalidRequest(f"{header.title()} is not supported on a write; If-Match is.")


def preferred_wait(request: HttpRequest) -> int:
    """Seconds of `Prefer: wait=N` (RFC 7240), 0 without; other preferences are not known here."""
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
    """Seconds of `?wait=N`, 0 without."""
    value = _one(request, "wait")
    if value is None:
        return 0
    return _whole_number("wait", value, 0, MAX_WAIT_SECONDS) if value else DEFAULT_WAIT_SECONDS


def limit(request: HttpRequest) -> int:
    """How many items a page is to have at most."""
    value = _one(request, "limit")
    return DEFAULT_PAGE if value is None else _whole_number("limit", value, 1, MAX_PAGE)


def cursor(request: HttpRequest) -> str | None:
    """The id of the item after which the page starts."""
    return _cursor(request, _ITEM_CURSOR)


def listed_status(request: HttpRequest) -> Status:
    """Which jobs a list is to show."""
    value = _one(request, "status")
    if value not in LISTED_STATUSES:
        raise InvalidRequest(f"The query must have status, {' or '.join(LISTED_STATUSES)}.")
    return Status(value)


def job_cursor(request: HttpRequest, status: Status) -> str | None:
    """The job after which the page of jobs in this status starts, as the index sorts it."""
    # Whose jobs are listed is not in it: a forged one shows its forger another part of the same list.
    after = _cursor(request, _JOB_CURSOR)
    if after is not None and not after.startswith(f"{status.value}#"):
        # DynamoDB refuses a start outside of what is asked for.
        raise InvalidRequest(f"The cursor is not of the list of {status.value} jobs.")
    return after


def is_item_cursor(item_id: str) -> bool:
    """Whether it is an id that this API assigns, after which a page can start."""
    return _ITEM_CURSOR.fullmatch(item_id) is not None


def make_cursor(after: str) -> str:
    """The cursor of a page that starts after this item."""
    return base64.urlsafe_b64encode(after.encode()).decode().rstrip("=")


def _cursor(request: HttpRequest, form: re.Pattern[str]) -> str | None:
    value = _one(request, "cursor")
    if value is None:
        return None
    try:
        # Without validate=True, b64decode skips characters that are not base64.
        decoded = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        decoded = ""
    # Only what make_cursor makes: what this API lists by, written in one way.
    if not form.fullmatch(decoded) or make_cursor(decoded) != value:
        raise InvalidRequest("The cursor does not belong to this list; take it from the previous page's Link.")
    return decoded


def _check_media_type(request: HttpRequest, allowed: tuple[str, ...]) -> None:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("A body must not have a Content-Encoding.")
    header = request.headers.get("content-type")
    if not header:
        return  # it must be JSON all the same
    media_type = _MEDIA_TYPE.fullmatch(header.strip(" \t"))
    if media_type is None or media_type[1].lower() not in allowed or not _is_utf_8(media_type[2]):
        raise UnsupportedMediaType(
            f"The Content-Type must be {' or '.join(allowed)} in UTF-8, not {header[:80]!r}."
        )


def _is_utf_8(parameters: str) -> bool:
    # charset*=… (RFC 8187) is none of a media type's: it stands for no charset that is known here.
    named = _ONE_PARAMETER.findall(parameters)
    charsets = [value for name, value in named if name.lower().partition("*")[0] == "charset"]
    return all(charset.strip('"').lower() in ("utf-8", "utf8") for charset in charsets)


def _one(request: HttpRequest, name: str) -> str | None:
    values = request.query.get(name)  # at most one: see request_lines.py
    return values[0] if values else None


def _whole_number(what: str, text: str, least: int, most: int) -> int:
    if not _WHOLE_NUMBER.fullmatch(text) or not least <= int(text) <= most:
        raise InvalidRequest(f"{what} must be a whole number from {least} to {most}.")
    return int(text)
