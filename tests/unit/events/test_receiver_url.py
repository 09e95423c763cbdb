"""Which URLs a webhook may have, and to which addresses a delivery may connect."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobpipe.domain.errors import InvalidRequest
from jobpipe.domain.events.receiver_url import UrlRules

ON_AWS, LOCAL = UrlRules(), UrlRules(allow_loopback=True)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hook",
        "https://example.com:8443/a?b=c",
        "https://93.184.216.34/",
        "https://[2606:2800:220:1:248:1893:25c8:1946]/",
    ],
)
def test_public_urls_of_https_are_allowed(url: str) -> None:
    assert ON_AWS.check(url) == url
    assert LOCAL.check(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "/hook",
        "https://",
        "https:///hook",
        "ftp://example.com/",
        "http://example.com/",
        "https://user:password@example.com/",
        "https://example.com/#part",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://example.com/a b",
        "https://example.com/\u00e9",
        "https://localhost/",
        "https://a.localhost/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://10.1.2.3/",
        "https://172.16.0.1/",
        "https://192.168.1.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://[fd00::1]/",
        "https://[fe80::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://[2002:a00:1::]/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://127.1/",
        "https://0177.0.0.1/",
        "https://" + "a" * 2048,
        None,
        1,
    ],
)
def test_other_urls_are_refused(url: object) -> None:
    with pytest.raises(InvalidRequest):
        ON_AWS.check(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/hook", "http://localhost:8000/", "https://[::1]/"])
def test_only_a_local_stage_allows_loopback(url: str) -> None:
    assert LOCAL.check(url) == url
    with pytest.raises(InvalidRequest):
        ON_AWS.check(url)


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("127.0.0.1", False),
        ("::1", False),
        ("10.0.0.1", False),
        ("169.254.169.254", False),
        ("fd00:ec2::254", False),
        ("::ffff:169.254.169.254", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("2002:a9fe:a9fe::", False),
        ("2001:0:a9fe:a9fe::", False),
        ("fec0::1", False),
        ("224.0.0.1", False),
        ("ff02::1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
    ],
)
def test_connections_go_to_public_addresses_only(address: str, allowed: bool) -> None:
    assert ON_AWS.may_connect_to(ipaddress.ip_address(address)) is allowed


_PRIVATE = st.one_of(
    *(
        st.ip_addresses(network=network)
        for network in (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4"),
            *("::ffff:0:0/96", "64:ff9b::/96", "2002::/16", "fc00::/7", "fe80::/10", "ff00::/8"),
        )
    )
)


@given(_PRIVATE)
def test_no_address_of_a_private_network_is_connected_to(address: ipaddress.IPv4Address) -> None:
    assert not ON_AWS.may_connect_to(address)
    assert LOCAL.may_connect_to(address) is (address.is_loopback and address.version == 4)


@given(st.text(max_size=60))
def test_any_text_is_allowed_or_refused(text: str) -> None:
    for rules in (ON_AWS, LOCAL):
        try:
            assert rules.check(text) == text
        except InvalidRequest:
            continue
        assert text.startswith(("https://", "http://"))
