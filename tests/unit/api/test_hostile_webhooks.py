"""Hostile webhooks: a bad member is refused with its pointer and leaves no trace; others are stored as they are."""

from __future__ import annotations

import ipaddress
import json
import re
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobpipe.domain.errors import InvalidRequest
from jobpipe.domain.events.receiver_url import MAX_URL_LENGTH, UrlRules
from jobpipe.domain.events.webhook import EVENT_TYPES
from jobpipe.domain.events.webhook_form import MAX_COLLECTIONS
from tests.helpers.hostile import STRINGS, json_like, strings
from tests.helpers.pipeline import Answer, Pipeline

URL = "https://receiver.example/in"
GOOD = {"url": URL, "events": ["job.ended"]}


def refused(pipeline: Pipeline, method: str, target: str, body: Any = None, **options: Any) -> Answer:
    before = pipeline.state()
    answer = pipeline.request(method, target, body, **options)
    assert answer.status == 400, answer.text[:300]
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.text) < 10_000
    assert pipeline.state() == before
    return answer


def pointers(answer: Answer) -> set[str]:
    return {each["pointer"] for each in answer.json.get("errors", [])}


# --- URLs ---

NO_URLS: list[Any] = [
    *(None, 7, True, [], {}, [URL], {"url": URL}, "", " ", "x", "/", "//receiver.example/", "receiver.example/in"),
    *("https:", "https:/", "https://", "https:///in", "https://:443/", "https://?x", "https://#x"),
    *("http://receiver.example/", "HTTP://receiver.example/", "ftp://receiver.example/", "file:///etc/passwd"),
    *(
        "javascript:alert(1)",
        "data:,x",
        "gopher://receiver.example/",
        "ws://receiver.example/",
        "https+x://a.example/",
    ),
    *("https://u@receiver.example/", "https://u:p@receiver.example/", "https://:p@receiver.example/"),
    *("https://@receiver.example/", "https://receiver.example@127.0.0.1/", "https://127.0.0.1@receiver.example/"),
    *("https://receiver.example/#", "https://receiver.example/in#x", "https://receiver.example#@127.0.0.1/"),
    *("https://receiver.example:0/", "https://receiver.example:65536/", "https://receiver.example:x/"),
    *("https://receiver.example:-1/", "https://receiver.example:80:80/", "https://receiver.example: 443/"),
    *(" https://receiver.example/", "https://receiver.example/ ", "https://receiver.example/a b", "https://a b/"),
    *("https://receiver.example/\r\nX-Evil: 1", "https://receiver.example/\t", "https://receiver\n.example/"),
    *("https://receiver.example/\0", "https://receiver.example/\x7f", "https://receiver.example/\x1b[31m"),
    *("https://receiver.example\\@127.0.0.1/", "https:\\\\receiver.example/", 'https://receiver.example/"'),
    *("https://receiver.example/<x>", "https://receiver.example/{x}", "https://receiver.example/|", "https://a^b/"),
    *("https://récepteur.example/", "https://receiver.example/\u00e9", "https://receiver\u3002example/"),
    *("https://\uff11\uff12\uff17.0.0.1/", "https://\u24db\u24de\u24d2alhost/", "https://receiver.example/\ud800"),
    *("https://.example/", "https://a..example/", "https://-a.example/", "https://a-.example/", "https://!/"),
    *("https://%31%32%37.0.0.1/", "https://%6cocalhost/", "https://127.0.0.1%2f.example/", "https://a%00.example/"),
    *(f"https://{'a' * 64}.example/", f"https://{'a.' * 127}example/", "https://$.example/", "https://a,b/"),
    *("https://[/", "https://]/", "https://[]/", "https://[x]/", "https://[v1.x]/", "https://[::1", "https://::1/"),
    *("https://[2606:4700::1]x/", "https://x[2606:4700::1]/", "https://[2606:4700::1%25eth0]/", "https://[::g]/"),
    f"{URL}?{'x' * MAX_URL_LENGTH}",
]
NOT_PUBLIC = [
    *("localhost", "LOCALHOST", "localhost.", "x.localhost", "X.LocalHost.", "127.0.0.1", "127.1.2.3", "0.0.0.0"),  # noqa: S104
    *("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "169.254.170.2", "100.64.0.1"),
    *("192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.2.3", "240.0.0.1"),
    *("255.255.255.255", "[::]", "[::1]", "[fe80::1]", "[fc00::1]", "[fd00:ec2::254]", "[fec0::1]", "[ff02::1]"),
    *("[::ffff:127.0.0.1]", "[::ffff:8.8.8.8]", "[::ffff:a9fe:a9fe]", "[::127.0.0.1]", "[64:ff9b::7f00:1]"),
    *("[64:ff9b:1::a00:1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]", "[2001:db8::1]", "[100::1]"),
    # other notations of an IPv4 address, which some resolvers take and others do not
    *(
        "127.1",
        "127.0.1",
        "0",
        "1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "017700000001",
        "0177.0.0.1",
        "127.0.0.01",
    ),
    *("127.0.0.1.", "8.8.8.8.", "1.2.3", "256.1.1.1", "1.2.3.4.5", "999999999999"),
]
PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "[2606:4700:4700::1111]",
    "receiver.example",
    "receiver.example.",
    "a",
    "a_b.example",
]


@pytest.mark.parametrize("url", NO_URLS, ids=lambda url: repr(url)[:40])
def test_what_is_no_url_is_refused(pipeline: Pipeline, url: Any) -> None:
    raw = json.dumps(GOOD | {"url": url})
    assert pointers(refused(pipeline, "POST", "/webhooks", raw=raw)) == {"#/url"}


@pytest.mark.parametrize("host", NOT_PUBLIC)
@pytest.mark.parametrize("rest", ["/", ":8443/x?y=1", ""])
def test_a_host_that_is_not_public_is_refused(pipeline: Pipeline, host: str, rest: str) -> None:
    made = pipeline.request("POST", "/webhooks", GOOD).json
    assert pointers(refused(pipeline, "POST", "/webhooks", GOOD | {"url": f"https://{host}{rest}"})) == {"#/url"}
    target = f"/webhooks/{made['id']}"
    assert pointers(refused(pipeline, "PATCH", target, {"url": f"https://{host}{rest}"})) == {"#/url"}


@pytest.mark.parametrize("host", PUBLIC)
@pytest.mark.parametrize("rest", ["", "/", ":8443/x", "/%2F..%2e?a=%00&b=~!$'()*+,;=:@#"])
def test_a_public_host_is_taken_as_it_is(pipeline: Pipeline, host: str, rest: str) -> None:
    url = f"https://{host}{rest.rstrip('#')}"
    assert pipeline.request("POST", "/webhooks", GOOD | {"url": url}).json["url"] == url


@pytest.mark.parametrize("host", ["localhost", "localhost.", "127.0.0.1", "127.9.9.9", "[::1]"])
def test_only_a_local_stage_takes_the_machine_itself(host: str) -> None:
    for scheme in ("http", "https"):
        url = f"{scheme}://{host}:8080/in"
        assert UrlRules(allow_loopback=True).check(url) == url
        with pytest.raises(InvalidRequest):
            UrlRules().check(url)


@pytest.mark.parametrize(
    "host", [host for host in NOT_PUBLIC if not re.match(r"(?i)localhost|127\.\d+\.|\[::1\]", host)]
)
def test_a_local_stage_takes_no_other_address_that_is_not_public(host: str) -> None:
    for scheme in ("http", "https"):
        with pytest.raises(InvalidRequest):
            UrlRules(allow_loopback=True).check(f"{scheme}://{host}/")


hosts = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
    st.integers(0, 2**32).map(str),
    st.integers(0, 2**32).map(hex),
    st.lists(st.integers(0, 300).map(lambda n: f"{n:#o}".replace("0o", "0")), min_size=1, max_size=4).map(".".join),
    st.sampled_from([*NOT_PUBLIC, *PUBLIC]),
    st.text("abz019.-_%[]:@xX", max_size=12),
)
urls = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["https://", "https://", "HTTPS://", "http://", "//", "https:", "https:///"]),
    hosts,
    st.sampled_from(["", ":443", ":", ":0", ":x", "@127.0.0.1", "@receiver.example", ".", "\\@a"]),
    st.sampled_from(["", "/", "/in?x=1", "?x", "#x", "/\n", "//127.0.0.1/"]) | strings,
)


@given(urls)
def test_no_url_that_is_taken_leads_to_an_address_that_is_not_public(url: str) -> None:
    """Whatever libc makes of its host without asking a name server, in any notation, is a public address."""
    try:
        taken = UrlRules().check(url)
    except InvalidRequest:
        return
    assert taken == url
    parts = urlsplit(url)
    assert parts.scheme == "https"
    assert parts.hostname
    assert "@" not in parts.netloc
    try:
        found = socket.getaddrinfo(parts.hostname, 443, flags=socket.AI_NUMERICHOST)
    except OSError:
        return  # it is a name; what it resolves to is checked before each connection
    for *_, (address, *_) in found:
        assert UrlRules().may_connect_to(ipaddress.ip_address(address))
        assert ipaddress.ip_address(address).is_global


@given(st.one_of(st.ip_addresses(), st.sampled_from(NOT_PUBLIC)))
def test_only_global_addresses_of_single_hosts_are_connected_to(address: Any) -> None:
    if isinstance(address, str):
        try:
            address = ipaddress.ip_address(address.strip("[]"))
        except ValueError:
            return
    if UrlRules().may_connect_to(address):
        assert address.is_global
        assert not any((address.is_multicast, address.is_loopback, address.is_private, address.is_link_local))
    loopback = UrlRules(allow_loopback=True).may_connect_to(address)
    assert loopback == (address.is_loopback or UrlRules().may_connect_to(address))


# --- other members ---

BAD: list[tuple[str, Any, str]] = [  # a member, a value that it cannot have, and what is named
    *(
        ("events", value, "#/events")
        for value in (None, 7, True, "", "job.ended", {}, {"0": "job.ended"}, [], [7], [None], [["job.ended"]])
    ),
    *(("events", ["job.ended"] * times, "#/events") for times in (2, 10_000)),
    *(
        ("events", [value], "#/events/0")
        for value in (*STRINGS, "JOB.ENDED", "job.ended ", "webhook.test", "job", "*")
    ),
    ("events", ["job.ended", "x"], "#/events/1"),
    *(
        ("collections", value, "#/collections")
        for value in (None, 7, False, "", "items", {}, {"items": 1}, [7], [None], [["items"]])
    ),
    *(("collections", ["items"] * times, "#/collections") for times in (2, MAX_COLLECTIONS + 1)),
    *(
        ("collections", [value], "#/collections/0")
        for value in (*STRINGS, "orders", "Items", "items ", "webhooks", "jobs", "*")
    ),
    ("collections", ["items", "x"], "#/collections/1"),
]


@pytest.mark.parametrize(("member", "value", "pointer"), BAD, ids=lambda each: repr(each)[:30])
def test_a_bad_member_is_named(pipeline: Pipeline, member: str, value: Any, pointer: str) -> None:
    made = pipeline.request("POST", "/webhooks", GOOD).json
    found = refused(pipeline, "POST", "/webhooks", raw=json.dumps(GOOD | {member: value}))
    assert found.json["errors"][0]["pointer"].startswith(pointer)
    found = refused(pipeline, "PATCH", f"/webhooks/{made['id']}", raw=json.dumps({member: value}))
    assert found.json["errors"][0]["pointer"].startswith(pointer)


@pytest.mark.parametrize("value", [None, 0, 1, "", "true", [], {}, "yes"], ids=repr)
def test_paused_is_true_or_false(pipeline: Pipeline, value: Any) -> None:
    made = pipeline.request("POST", "/webhooks", GOOD).json
    assert pointers(refused(pipeline, "PATCH", f"/webhooks/{made['id']}", {"paused": value})) == {"#/paused"}


@pytest.mark.parametrize(
    "member", ["id", "owner", "secret", "created_at", "paused_by_failures", "__proto__", "URL"]
)
def test_no_other_member_can_be_set(pipeline: Pipeline, member: str) -> None:
    made = pipeline.request("POST", "/webhooks", GOOD).json
    assert pointers(refused(pipeline, "POST", "/webhooks", GOOD | {member: "x"})) == {"#"}
    assert pointers(refused(pipeline, "POST", "/webhooks", GOOD | {"paused": True})) == {"#"}
    assert pointers(refused(pipeline, "PATCH", f"/webhooks/{made['id']}", {member: "x"})) == {"#"}


@pytest.mark.parametrize("missing", ["url", "events"])
def test_a_webhook_needs_a_url_and_events(pipeline: Pipeline, missing: str) -> None:
    body = {name: value for name, value in GOOD.items() if name != missing}
    assert missing in refused(pipeline, "POST", "/webhooks", body).json["errors"][0]["detail"]


def test_all_violations_are_reported_together(pipeline: Pipeline) -> None:
    body = {"url": "http://x/", "events": ["x"], "collections": ["y", "items"], "more": 1}
    assert pointers(refused(pipeline, "POST", "/webhooks", body)) == {"#", "#/url", "#/events/0", "#/collections/0"}


@pytest.mark.parametrize(
    "raw", ["", " ", "null", "[]", '"x"', "7", "{", "\ufeff{}", "{" * 5000, '{"url":1,"url":1}']
)
def test_a_body_that_is_no_object_is_refused(pipeline: Pipeline, raw: str) -> None:
    made = pipeline.request("POST", "/webhooks", GOOD).json
    refused(pipeline, "POST", "/webhooks", raw=raw)
    refused(pipeline, "PATCH", f"/webhooks/{made['id']}", raw=raw)
    refused(pipeline, "POST", f"/webhooks/{made['id']}/replay", raw=raw)


NO_TIMES: list[Any] = [
    *(None, 7, [], {}, "", "now", "2026-11-22", "2026-11-22T20:57:44", "2026-11-22 20:57:44Z", "1763845064"),
    *("2026-13-01T00:00:00Z", "2026-11-22T24:00:00Z", "2026-11-22T20:57:44.1234567890Z", "\u0661" * 20, "x" * 9000),
    *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-11-22T20:57:44Z\n", "-026-11-22T20:57:44Z"),
]


@pytest.mark.parametrize("since", NO_TIMES, ids=lambda each: repr(each)[:30])
def test_a_replay_needs_a_time(pipeline: Pipeline, since: Any) -> None:
    made = pipeline.request("POST", "/webhooks", GOOD).json
    answer = refused(pipeline, "POST", f"/webhooks/{made['id']}/replay", {"since": since})
    assert pointers(answer) == {"#/since"}
    assert "%2B" not in answer.text, "a body has no need to encode a +"


@pytest.mark.parametrize("body", [{}, {"until": "2026-11-22T20:57:44Z"}, {"since": "2026-11-22T20:57:44Z", "x": 1}])
def test_a_replay_has_no_other_member(pipeline: Pipeline, body: Any) -> None:
    made = pipeline.request("POST", "/webhooks", GOOD).json
    assert pointers(refused(pipeline, "POST", f"/webhooks/{made['id']}/replay", body)) == {"#"}


@given(st.data())
def test_any_body_is_refused_or_stored_as_it_is(data: st.DataObject) -> None:
    pipeline = Pipeline()
    made = pipeline.request("POST", "/webhooks", GOOD).json
    values = {
        "url": st.just(URL) | urls,
        "events": st.lists(st.sampled_from([*EVENT_TYPES, "x"]), max_size=3),
        "collections": st.lists(st.sampled_from(["items", "x"]), max_size=2),
        "paused": st.booleans(),
    }
    members = {
        name: data.draw(
            st.sampled_from([draw.map(json.dumps), draw.map(json.dumps), json_like]).flatmap(lambda d: d)
        )
        for name, draw in values.items()
        if data.draw(st.integers(0, 3))
    }
    raw = "{" + ",".join(f"{json.dumps(name)}:{text}" for name, text in members.items()) + "}"
    before = pipeline.state()
    method, target = data.draw(st.sampled_from([("POST", "/webhooks"), ("PATCH", f"/webhooks/{made['id']}")]))
    answer = pipeline.request(method, target, raw=raw)
    if answer.status >= 400:
        assert answer.status == 400, answer.text
        assert all(each["pointer"].startswith("#") for each in answer.json.get("errors", []))
        assert pipeline.state() == before
        return
    shown = pipeline.request("GET", f"/webhooks/{answer.json['id']}").json
    given = json.loads(raw)
    assert {name: shown[name] for name in given} == given
    unchanged = GOOD | {"collections": [], "paused": False}
    assert {name: shown[name] for name in unchanged.keys() - given.keys()} == {
        name: value for name, value in unchanged.items() if name not in given
    }
