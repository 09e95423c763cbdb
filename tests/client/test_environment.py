"""The variables of a user's environment that affect a request, and those that do not."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from jobpipe_client import Client, ConfigurationError, TransportError, Unreachable
from jobpipe_client.environment import http_settings, is_loopback
from tests.client.counted_server import CountedServer, counted_server
from tests.client.service import KEY

NOBODY = "http://127.0.0.1:9"  # nothing listens there
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
HOSTILE = {
    **dict.fromkeys(PROXIES, NOBODY),
    "NO_PROXY": "",
    "no_proxy": "",
    "REQUESTS_CA_BUNDLE": "/nowhere.pem",
    "CURL_CA_BUNDLE": "/nowhere.pem",
    "SSL_CERT_FILE": "/nowhere.pem",
    "SSL_CERT_DIR": "/nowhere",
}


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*HOSTILE, "NETRC", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def server() -> Iterator[CountedServer]:
    with counted_server() as server:
        yield server


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[CountedServer]:
    with counted_server(tmp_path) as server:
        yield server


def write_netrc(folder: Path) -> Path:
    path = folder / ".netrc"
    path.write_text("default login somebody password sentinel-password\n")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.9.1", "localhost", "LOCALHOST", "a.localhost", "::1", "localhost."]
)
def test_a_loopback_host(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", [None, "", "example.com", "10.0.0.1", "localhost.example.com", "notlocalhost", "::"]
)
def test_any_other_host(host: str | None) -> None:
    assert not is_loopback(host)


def test_a_loopback_stage_is_requested_directly_in_any_environment(
    server: CountedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NETRC", str(write_netrc(tmp_path)))
    began = time.monotonic()
    with Client(server.url, KEY, request_timeout=5, retries=0) as client:
        assert client.health()["status"] == "ok"
    assert time.monotonic() - began < 2
    (headers,) = server.headers
    assert "authorization" not in headers
    assert headers["x-api-key"] == KEY


@pytest.mark.parametrize("named_by", ["HOME", "NETRC"])
def test_a_password_in_netrc_is_never_sent(named_by: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither to the deployment nor to the proxy on the way to it."""
    path = write_netrc(tmp_path)
    if named_by == "NETRC":
        monkeypatch.setenv("HOME", "/nowhere")
        monkeypatch.setenv("NETRC", str(path))
    with forward_proxy() as (proxy, asked):
        monkeypatch.setenv("HTTP_PROXY", proxy)
        assert Client("http://jobs.example.test/v1", KEY, retries=0).health()["status"] == "ok"
    ((target, headers),) = asked
    assert target == "http://jobs.example.test/v1/health"
    assert {name for name in headers if "auth" in name.lower()} == set()


@contextmanager
def forward_proxy() -> Iterator[tuple[str, list[tuple[str, dict[str, str]]]]]:
    """A proxy that answers every request itself, and the requests that it got."""
    asked: list[tuple[str, dict[str, str]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, dict(self.headers)))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b'{"status": "ok"}')

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_any_other_host_is_requested_through_the_proxy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with forward_proxy() as (proxy, asked):
        monkeypatch.setenv(name, f" {proxy} ")  # with blanks, as from a file
        Client("http://jobs.example.test/v1", KEY, retries=0).health()
    assert [target for target, _ in asked] == ["http://jobs.example.test/v1/health"]


def test_the_password_of_a_proxy_goes_to_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with forward_proxy() as (proxy, asked):
        monkeypatch.setenv("HTTP_PROXY", proxy.replace("//", "//somebody:sentinel-password@"))
        Client("http://jobs.example.test/v1", KEY, retries=0).health()
    ((_, headers),) = asked
    assert headers["Proxy-Authorization"].startswith("Basic ")


def test_a_host_of_no_proxy_is_requested_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", NOBODY)
    monkeypatch.setenv("NO_PROXY", ".example.test")
    assert http_settings("https://jobs.example.test/v1").proxies == {}
    assert http_settings("https://jobs.example.com/v1").proxies["https"] == NOBODY


def test_an_unreachable_proxy_is_named_as_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", NOBODY.replace("//", "//somebody:sentinel-password@"))
    with pytest.raises(Unreachable, match=r"the proxy that the environment names .* Connection refused") as caught:
        Client("http://jobs.example.test/v1", KEY, retries=0).health()
    assert "sentinel" not in str(caught.value)


@pytest.mark.parametrize(
    "proxy",
    [
        "http://somebody:sentinel@",
        "somebody:sentinel@host:9",
        "sentinel sentinel",
        "ftp://sentinel",
        "http://sentinel:port",
        "//",
    ],
)
def test_an_invalid_proxy_is_reported_without_its_value(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(ConfigurationError, match="the value of HTTPS_PROXY or ALL_PROXY is not") as caught:
        Client("https://jobs.example.test/v1", KEY)
    assert "sentinel" not in str(caught.value)


def test_a_socks_proxy_without_its_library_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://somebody:sentinel@127.0.0.1:9")
    with pytest.raises(TransportError) as caught:
        Client("http://jobs.example.test/v1", KEY, retries=0).health()
    assert "sentinel" not in str(caught.value)


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_certificates_are_those_that_the_environment_names(
    name: str, tls_server: CountedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Unreachable, match=r"its certificate is not trusted \(.+ issuer .+\)") as caught:
        Client(tls_server.url, KEY, retries=3).health()
    assert not caught.value.is_transient
    assert len(tls_server.seen) <= 1, "a certificate that is not trusted now will not be in a second"
    monkeypatch.setenv(name, str(tls_server.certificates))
    assert Client(tls_server.url, KEY, retries=0).health()["status"] == "ok"


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_missing_certificates(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "/nowhere.pem")
    with pytest.raises(ConfigurationError, match=rf"no certificates at /nowhere\.pem \({name}\)"):
        Client("https://jobs.example.test/v1", KEY)


def test_invalid_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text.pem").write_text("no certificate")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "text.pem"))
    with pytest.raises(TransportError):
        Client("https://127.0.0.1:9/v1", KEY, retries=0).health()


def test_the_variables_of_openssl_are_not_read(tls_server: CountedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """SSL_CERT_FILE names OpenSSL's own store, which requests does not use."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tls_server.certificates))
    with pytest.raises(Unreachable, match="not trusted"):
        Client(tls_server.url, KEY, retries=0).health()
