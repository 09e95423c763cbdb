"""Hypothesis strategies for hostile requests and for the events that API Gateway makes of them."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from api_lambda.chalicelib.endpoints.routes import ROUTES, Route

NUMBERS = [
    *(
        "0",
        "-0",
        "-0.0",
        "1e15",
        "1E125",
        "1e126",
        "1E-130",
        "1e-131",
        "01",
        "+1",
        ".5",
        "1.",
        "0x10",
        "1_0",
        "NaN",
    ),
    *("-Infinity", "1" * 38, "1" * 39, "1" + "0" * 125, "1" + "0" * 126, "0." + "0" * 129 + "1", "9" * 5000),
    *("1e" + "9" * 30, "0e-" + "9" * 30, "0.12345678901234567890123", "1" * 4301, "\u0661"),
]
STRINGS = [
    *(
        "",
        " ",
        "\0",
        "\t",
        "\r\nX-Evil: 1",
        "\x1b[31m",
        "\x7f",
        "\x85",
        "é",
        "e\u0301",
        "\u200b",
        "\u200d",
        "\u202e",
    ),
    *("\ud800", "\udfff\ud800", "\ufeff", "\ufffd", "\uffff", "\U0001f469\u200d\U0001f680", "\U000e0041"),
    *(
        "__proto__",
        "constructor",
        "S",
        "NULL",
        ":unfinished0",
        "#status",
        "attribute_exists(job_id)",
        "$ne",
        "{{7*7}}",
    ),
    *("../../x", "..%2f..", "%00", "%c0%ae", "%", "\\", '"', "'; DROP TABLE items; --", "${jndi:x}", "x" * 9000),
]
strings = st.sampled_from(STRINGS) | st.text(max_size=12)


def one_in_turn(*ways: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Draw from each strategy equally often; `|` would weigh them by their alternatives."""
    return st.sampled_from(ways).flatmap(lambda way: way)


# The text of a JSON value, or text that resembles one.
scalars = (
    st.sampled_from(
        [*NUMBERS, "true", "null", "nul", "", "[]", "{}", "[" * 40 + "]" * 40, "[" * 3000, '{"a":' * 2000]
    )
    | st.sampled_from(STRINGS).map(json.dumps)
    | strings.map(lambda text: json.dumps(text, ensure_ascii=False))
    | st.floats().map(str)
    | st.integers().map(str)
)
names = st.sampled_from(
    [
        *("name", "description", "id", "operation", "item", "item_id", "set", "merge", "if_match", "commands"),
        *("url", "events", "collections", "paused", "since"),
    ]
)


def objects(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Draw the text of an object, in which names may repeat."""
    member = st.tuples(names.map(json.dumps) | strings.map(json.dumps), values).map(":".join)
    return st.lists(member, max_size=4).map(lambda members: "{" + ",".join(members) + "}")


def arrays(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(values, max_size=3).map(lambda members: "[" + ",".join(members) + "]")


json_like = st.recursive(scalars, lambda inner: objects(inner) | arrays(inner), max_leaves=6)

GOOD_BODIES = [
    '{"name":"Tent","description":"For two","price":12.95,"tags":["a",{"b":null}]}',
    '{"name":"\u30c6\u30f3\u30c8 \u26fa\ufe0f","description":"","\U0001f600":[]}',
    '{"price":1e15}',
    '{"price":null}',
    '{"operation":"create","item":{"name":"Tent","description":"d"}}',
    '{"operation":"update","item_id":"i","set":{"x":1},"if_match":"\\"v\\""}',
    '{"operation":"update","item_id":"i","merge":{"x":null}}',
    '{"operation":"read","item_id":"i"}',
    '{"operation":"delete","item_id":"i"}',
    '{"url":"https://receiver.example/in","events":["job.ended"],"collections":["items"]}',
    '{"url":"https://receiver.example/in","events":["job.ended","item.changed"],"paused":false}',
    '{"since":"2026-11-22T20:57:44Z"}',
    '{"commands":[{"operation":"delete","item_id":"i"},{"operation":"create","item":{"name":"n","description":"d"}}]}',
]


@st.composite
def nearly(draw: st.DrawFn, good: st.SearchStrategy[str], junk: st.SearchStrategy[str]) -> str:
    """Draw a valid text with up to three parts replaced."""
    text = draw(good)
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 8)))
        text = text[:start] + draw(junk) + text[end:]
    return text


bodies = one_in_turn(
    st.sampled_from(GOOD_BODIES),
    nearly(st.sampled_from(GOOD_BODIES), scalars | strings | st.sampled_from(['"', "{", "}", ",", ":", "\\u"])),
    json_like,
)


def cursor(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


CURSORS = [
    *("", "=", "$", "A" * 1000, cursor("00000000-0000-4000-8000-000000000000"), cursor("\0"), cursor("é")),
    *(cursor(f"{status}#2026-01-01T00:00:00Z#{'a' * 32}") for status in ("failed", "retrying", "queued")),
    cursor("failed#2026-01-01T00:00:00Z#../x"),
    cursor("retrying##"),
    cursor("00000000-0000-4000-8000-000000000000") + "==",
]
header_values = {
    "content-type": [
        *("application/json", 'Application/JSON ; Charset="UTF-8"', "text/plain", "", ";", "application/json;;;"),
        *("application/json; charset*" + "1" * 5000 + "=x", "application/json; charset*=a; charset*0=b"),
        *(
            "application/json; charset=utf-16",
            "application/json; charset=utf-8; charset=utf-7",
            "*/*",
            "application/",
        ),
        *(
            "application/merge-patch+json",
            'application/json; a="',
            "application/json" + '; a="\\"' * 500,
            "multipart/x",
        ),
    ],
    "content-encoding": ["gzip", "identity", "IDENTITY", "identity, gzip", "", "br"],
    "idempotency-key": ["k", "", "x" * 255, "x" * 256, "a b", "é", "\x1b[2J", "k\r\nx: y", '{"a":1}', "__proto__"],
    "if-match": [
        "*",
        '"v"',
        'W/"v"',
        '"a", *',
        '"a",,"b"',
        '"',
        "v",
        "",
        '"' + "x" * 1100 + '"',
        '"a" ' * 200,
        '"\0"',
    ],
    "prefer": [
        "wait=0",
        "wait=5",
        "wait=21",
        "wait=-1",
        "wait",
        'wait="3"',
        'wait="',
        "respond-async,wait=1;x",
        ",",
    ],
    "if-none-match": ["*"],
    "if-unmodified-since": ["x"],
    "x-http-method-override": ["DELETE"],
    "transfer-encoding": ["chunked"],
    "content-length": ["-1", "0"],
    "accept": ["image/png", "application/octet-stream", ""],
    "origin": ["https://evil.example"],
    "x-evil\r\n": ["1"],
}
query_names = st.sampled_from(
    [*("limit", "cursor", "wait", "status", "x", "", "Limit", "limit ", "limit[]", "_", "name", "__proto__")]
)
query_values = st.sampled_from(["1", "0", "101", "failed", "retrying", "", *CURSORS]) | strings


def queries(route: Route) -> st.SearchStrategy[dict[str, list[str]]]:
    """Draw no parameters, the route's own or others, some of them repeated."""
    if not route.query:
        return st.just({}) | st.dictionaries(query_names | strings, st.just(["1"]), max_size=2)
    own = st.sampled_from(route.query)
    values = st.lists(query_values, min_size=1, max_size=2)
    ways = [
        st.just({}),
        st.dictionaries(own, st.lists(query_values, min_size=1, max_size=1), max_size=3),
        st.dictionaries(own | query_names | strings, values, max_size=3),
    ]
    return st.sampled_from(ways).flatmap(lambda way: way)


@st.composite
def headers(draw: st.DrawFn) -> dict[str, list[str]]:
    """Draw headers with names in any case, some of them repeated."""
    sent: dict[str, list[str]] = {}
    for name in draw(st.lists(st.sampled_from(sorted(header_values)), max_size=2)):
        written = draw(st.sampled_from([name, name.title(), name.upper()]))
        values = st.sampled_from(header_values[name]) | strings
        sent[written] = draw(st.lists(values, min_size=1, max_size=2))
    return sent


def event(
    method: str,
    resource: str,
    *,
    parameters: dict[str, str] | None = None,
    headers: dict[str, list[str]] | None = None,
    query: dict[str, list[str]] | None = None,
    body: str | None = None,
    base64_encoded: bool = False,
    key: str = "alice" + "0" * 32,
    path: str = "",
) -> dict[str, Any]:
    """Return the event that API Gateway passes to the Lambda, where an absent part is null, not empty."""
    sent = {"x-api-key": [key], **(headers or {})}
    return {
        "resource": resource,
        "path": path or resource.format(**(parameters or {})),
        "httpMethod": method,
        "headers": {name: values[-1] for name, values in sent.items()},
        "multiValueHeaders": sent,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} if query else None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": parameters or None,
        "stageVariables": None,
        "body": body,
        "isBase64Encoded": base64_encoded,
        "requestContext": {
            "httpMethod": method,
            "resourcePath": resource,
            "requestId": "00000000-0000-4000-8000-00000000000f",
            "identity": {"apiKey": key},
        },
    }


IDS = ("item_id", "job_id", "batch_id", "webhook_id", "event_id")


@st.composite
def events(draw: st.DrawFn, ids: list[str]) -> dict[str, Any]:
    """Draw a request to one of the API's routes; `ids` exist in the stores."""
    route = draw(st.sampled_from(ROUTES))
    some_id = st.sampled_from([*ids, *(name for name in STRINGS if name), "%2F", "..%2f..%2fjobs", "%ff", "%C0%AF"])
    parameters = {name: draw(some_id) for name in IDS if f"{{{name}}}" in route.path}
    path = route.path.format(
        **{name: quote(value, safe="%", errors="replace") for name, value in parameters.items()}
    )
    for slashes in draw(st.lists(st.sampled_from(["end", "end", "front", "base"]), max_size=2)):
        path = {"end": path + "/", "front": "/" + path, "base": "/base" + path}[slashes]
    body, encoded = draw(bodies) if route.method != "GET" else None, False
    if body is not None and draw(st.integers(0, 4)) == 0:
        way = draw(st.sampled_from(["utf-8", "utf-16", "utf-32", "utf-8-sig", "latin-1"]))
        body, encoded = b64encode(body.encode(way, "ignore")).decode(), True
    sent = event(
        route.method,
        route.path,
        parameters=parameters,
        headers=draw(headers()),
        query=draw(queries(route)),
        body=body,
        base64_encoded=encoded,
        path=path,
    )
    return sent | draw(st.sampled_from([{}, {"version": "1.0"}]))  # an event of a gateway that decodes paths itself
