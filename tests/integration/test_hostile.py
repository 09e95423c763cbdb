"""P7 and P9 with hostile content on a deployed stage: a 4xx and no trace, or it is returned unchanged."""

from __future__ import annotations

import gzip
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
import requests
import tenacity

from infra.stage.log_events import LogEvents
from jobpipe.domain.clock import now
from jobpipe.domain.documents.item_rules import MAX_DOCUMENT_BYTES
from jobpipe.domain.limits import MAX_COMMAND_BYTES
from tests.helpers.deployed import WAIT, Stage, problem, unique
from tests.helpers.hostile import CURSORS, cursor
from tests.integration.conftest import at_rest

soon = tenacity.retry(stop=tenacity.stop_after_delay(20), wait=tenacity.wait_fixed(0.1), reraise=True)
exactly = json.JSONDecoder(parse_float=Decimal, parse_int=Decimal).decode
UNFINISHED = b'{"name":"n","description":"d"'


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({}, UNFINISHED.decode().encode("utf-16") + b"}", 400),
        ({}, b"\xef\xbb\xbf" + UNFINISHED + b"}", 400),
        ({}, b"[" * 100_000, 400),
        ({}, b'{"a":' * 100_000, 400),
        ({}, UNFINISHED + b',"x":' + b"9" * 900_000 + b"}", 400),
        ({}, UNFINISHED + b',"x":[' + b"1e15," * 150_000 + b"1]}", 413),
        ({}, UNFINISHED + b"," + b'"a":1,' * 100_000 + b'"b":1}', 400),
        ({}, '{"name":"Tent\u202egnp.exe","description":"d"}'.encode(), 400),
        ({}, '{"name":"Te\u200bnt","description":"d"}'.encode(), 400),
        ({"Prefer": 'wait="5'}, UNFINISHED + b"}", 400),
        ({"If-Match": '"v"'}, UNFINISHED + b"}", 400),
    ],
    ids=range(11),
)
def test_a_hostile_body_leaves_no_trace(stage: Stage, headers: dict[str, str], body: bytes, expected: int) -> None:
    answer = stage.request("POST", "/items", headers=headers, raw=body)
    assert answer.status_code == expected, answer.text
    assert problem(answer)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Type": "application/json; charset*" + "1" * 5000 + "=x"}, b"{}"),
        ({"Content-Type": "application/json; charset*=a; charset*0=b"}, b"{}"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"--x--"),
        ({"Content-Encoding": "gzip"}, gzip.compress(b" " * 20_000_000)),
    ],
    ids=range(4),
)
def test_a_body_of_another_kind_leaves_no_trace(stage: Stage, headers: dict[str, str], body: bytes) -> None:
    try:
        answer = stage.request("POST", "/items", headers=headers, raw=body)
    except requests.ConnectionError:
        assert not stage.passes_bodies_unchanged
        return
    if stage.passes_bodies_unchanged:
        assert answer.status_code == 415, answer.text
        assert problem(answer)
    assert answer.status_code >= 400


def test_many_parts_under_long_names_need_little_memory(stage: Stage) -> None:
    """With a pointer for each part, the Lambda would need some gigabytes."""
    text = '{"%s":' % ("\U0001f600" * 80) * 30 + "[" + "1," * 500_000 + "1]" + "}" * 30
    body = b'{"name":"%s","description":"d","x":%s}' % (unique("Deep").encode(), text.encode())
    answer = stage.request("POST", "/items", raw=body, headers=WAIT)
    assert answer.status_code == 201, answer.text[:300]
    assert exactly(stage.request("GET", f"/items/{answer.json()['id']}").text)["x"] == exactly(text)


def sized(size: int, character: str = "x") -> bytes:
    """Return a document of exactly so many bytes."""
    head = json.dumps(
        {"name": unique("Sized"), "description": ""}, separators=(",", ":"), ensure_ascii=False
    ).encode()[:-2]
    room = size - len(head) - 2
    each = len(character.encode())
    return head + character.encode() * (room // each) + b"x" * (room % each) + b'"}'


def test_bodies_at_the_limits_are_returned_exactly(stage: Stage) -> None:
    command = MAX_COMMAND_BYTES - len('{"operation":"create","item":}')  # where claim checks begin
    bodies = [sized(size) for size in (command - 1, command, command + 1)]
    bodies += [sized(size) for size in (MAX_DOCUMENT_BYTES - 1, MAX_DOCUMENT_BYTES)]
    bodies += [sized(MAX_DOCUMENT_BYTES, "\U0001f600"), sized(command, "\uffff")]

    def check_round_trip(body: bytes) -> None:
        made = stage.request("POST", "/items", raw=body, headers=WAIT)
        assert made.status_code == 201, made.text[:300]
        shown = stage.request("GET", f"/items/{made.json()['id']}")
        assert {"id": made.json()["id"], **json.loads(body)} == shown.json()

    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(check_round_trip, bodies))


def test_a_byte_over_the_limit_is_refused_and_changes_nothing(stage: Stage) -> None:
    item_id = stage.request("POST", "/items", raw=sized(700_000), headers=WAIT).json()["id"]
    stored = stage.request("GET", f"/items/{item_id}").text
    before = at_rest(stage)
    for method, path in (("POST", "/items"), ("PUT", f"/items/{item_id}"), ("PATCH", f"/items/{item_id}")):
        assert problem(stage.request(method, path, raw=sized(MAX_DOCUMENT_BYTES + 1))) == "too-large"
    assert at_rest(stage) == before
    # Only the worker knows that a document becomes too large by a merge.
    for method in ("PUT", "PATCH"):
        answer = stage.request(method, f"/items/{item_id}", {"more": "x" * 350_000}, headers=WAIT)
        assert problem(answer) == "too-large"
    assert stage.request("GET", f"/items/{item_id}").text == stored


def test_text_with_a_meaning_elsewhere_is_returned_exactly(stage: Stage) -> None:
    """Names and values with a meaning in DynamoDB, in JavaScript or in a shell have none here."""
    words = [
        *(
            "__proto__",
            "constructor",
            "S",
            "N",
            "NULL",
            "M",
            "#status",
            ":unfinished0",
            "item_id",
            "version",
            "status",
        ),
        *(
            "owner",
            "ttl",
            "size",
            "attribute_exists(x)",
            "a.b[0]",
            "$ne",
            "{{7*7}}",
            "${jndi:x}",
            "'; DROP TABLE x;--",
        ),
        *(
            "",
            " ",
            "\x1b[31m",
            "\r\n",
            "\u2028",
            "\u202e",
            "\ufeff",
            "\uffff",
            "\ufffd",
            "\U0010ffff",
            "<script>",
            "\x7f",
        ),
    ]
    numbers = ["1E-130", "9.9E+125", "-9.9E+125", "1" * 38, "-0.0", "1" + "0" * 125, "0.1", "1e15"]
    if stage.passes_messages_unchanged:
        numbers.append("0." + "1" * 38)
    members = ",".join(f"{json.dumps(word)}:{json.dumps({word: word})}" for word in words)
    many = ",".join(f'"field {n}":{n}' for n in range(10_000))
    head = f'"name":"{unique("Words")}","description":"\\u001b[2J","numbers":[{",".join(numbers)}]'
    body = f"{{{head},{members},{many}}}"
    made = stage.request("POST", "/items", raw=body.encode(), headers=WAIT)
    assert made.status_code == 201, made.text[:300]
    item_id = made.json()["id"]
    assert exactly(stage.request("GET", f"/items/{item_id}").text) == {"id": item_id, **exactly(body)}
    changed = stage.request("PUT", f"/items/{item_id}", {"S": {"N": "1"}, "#status": ":x", "": ""}, headers=WAIT)
    assert changed.json()["S"] == {"N": "1"}
    assert changed.json()["__proto__"] == {"__proto__": "__proto__"}


def test_names_that_look_alike_are_one(stage: Stage) -> None:
    name = unique("Caf\u00e9 \u26fa")
    assert stage.request("POST", "/items", {"name": name, "description": "d"}, headers=WAIT).status_code == 201
    for same in (name.replace("\u00e9", "e\u0301"), name + "\ufe0f", name.replace("a", "a\u200d", 1)):
        answer = stage.request("POST", "/items", {"name": same, "description": "d"}, headers=WAIT)
        assert problem(answer) == "name-taken"


def test_a_key_of_another_caller_is_another_key(stage: Stage, other_key: str) -> None:
    headers = {"Idempotency-Key": f'{{"level":"{uuid.uuid4().hex}"}}'}
    body = {"name": unique("Mine"), "description": "d"}
    own = stage.request("POST", "/items", body, headers=headers).json()
    others = stage.request("POST", "/items", {**body, "name": unique("Theirs")}, headers=headers, key=other_key)
    assert others.status_code == 202
    assert others.json()["id"] != own["id"]
    assert stage.request("POST", "/items", body, headers=headers).json()["id"] == own["id"]
    for method, path, other in (
        ("POST", "/items", {**body, "x": 1}),
        ("PUT", "/items/i", body),
        ("DELETE", "/items/i", None),
    ):
        assert problem(stage.request(method, path, other, headers=headers)) == "idempotency-key-reused"
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/retry")):
        assert problem(stage.request(method, f"/jobs/{own['id']}{path}", key=other_key)) == "not-found"
    stage.client.wait(stage.client.job(own["id"]))


@pytest.mark.usefixtures("untouched")
def test_a_forged_cursor_shows_nothing_of_others(stage: Stage, other_key: str) -> None:
    for forged in CURSORS:
        for path in ("/items?limit=1", "/jobs?status=failed", "/jobs?status=retrying"):
            assert stage.request("GET", f"{path}&cursor={forged}", key=other_key).status_code in (200, 400)
    latest = cursor(f"failed#9999-12-31T23:59:59.999Z#{'f' * 32}")
    assert stage.request("GET", f"/jobs?status=failed&cursor={latest}", key=other_key).json() == []
    assert (
        problem(stage.request("GET", f"/jobs?status=retrying&cursor={latest}", key=other_key)) == "invalid-request"
    )


def test_no_content_of_a_request_makes_a_log_line(stage: Stage) -> None:
    mark, since = uuid.uuid4().hex, int(now().timestamp() * 1000)
    forged = json.dumps({"level": "INFO", "message": mark}, separators=(",", ":"))
    headers = {"Idempotency-Key": forged, "X-Request-Id": forged, "User-Agent": forged, **WAIT}
    document = {"name": f"{forged}", "description": f"\n{forged}\n\x1b[2J", f"\n{forged}": forged}
    answer = stage.request("POST", "/items", document, headers=headers)
    assert answer.status_code == 201
    assert problem(stage.request("POST", "/items", document, headers=WAIT)) == "name-taken"
    last = stage.request("GET", f"/items/%22%7D{mark}").headers["x-request-id"]

    @soon
    def lines() -> list[str]:
        logs, found = stage.aws("logs"), []
        for group in logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/")["logGroups"]:
            found += [event["message"] for event in LogEvents(logs, group["logGroupName"], since)]
        assert any(last in line for line in found)
        return found

    for line in lines():
        assert "\x1b" not in line
        assert not line.startswith(forged)
        assert mark not in line, "what callers send is not logged"
