"""The API key is in no message of any error, including those that libraries raise."""

from __future__ import annotations

import http.client
import inspect
import json
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests.exceptions
import urllib3.exceptions

from jobpipe_client import Client, ConfigurationError, InvalidResponse, JobpipeError, TransportError
from jobpipe_client.cli import main
from tests.client.service import KEY, Canned, Service
from tests.client.service_state import problem

SENTINEL = "sentinel0123456789"
ROOT = Path(__file__).parents[2]


def told(error: BaseException) -> str:
    """Return all text that a traceback or an error collector could show."""
    parts = ["".join(traceback.format_exception(error))]
    seen: BaseException | None = error
    while seen is not None:
        parts += [str(seen), repr(seen), repr(seen.args)]
        seen = seen.__cause__ or seen.__context__
    return "\n".join(parts)


UNUSABLE_KEYS = {
    "a blank before it": f" {SENTINEL}",
    "a blank behind it": f"{SENTINEL} ",
    "a blank in it": f"{SENTINEL} {SENTINEL}",
    "an end of line": f"{SENTINEL}\n",
    "a header": f"{SENTINEL}\r\nX-Other: 1",
    "a tab": f"\t{SENTINEL}",
    "no ASCII": f"{SENTINEL}é",
    "a hard blank": f"{SENTINEL}\xa0",
}
UNUSABLE_URLS = {
    "the key instead": SENTINEL,
    "a password": f"https://somebody:{SENTINEL}@jobs.example.test/v1",
    "a user": f"https://{SENTINEL}@jobs.example.test/v1",
    "a query": f"https://jobs.example.test/v1?key={SENTINEL}",
    "a fragment": f"https://jobs.example.test/v1#{SENTINEL}",
    "a port that is none": f"https://jobs.example.test:{SENTINEL}/v1",
    "another scheme": f"ftp://{SENTINEL}",
    "a blank": f" https://jobs.example.test/{SENTINEL}",
    "an end of line": f"https://jobs.example.test/{SENTINEL}\n",
    "a bracket": f"https://[{SENTINEL}/",
}


@pytest.mark.parametrize("key", UNUSABLE_KEYS.values(), ids=UNUSABLE_KEYS)
def test_an_unusable_key_is_refused_without_it(key: str) -> None:
    with pytest.raises(ConfigurationError, match="the API key cannot be used") as caught:
        Client("http://127.0.0.1:9", key)
    assert SENTINEL not in told(caught.value)


@pytest.mark.parametrize("url", UNUSABLE_URLS.values(), ids=UNUSABLE_URLS)
def test_an_unusable_url_is_refused_without_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match="the base URL cannot be used") as caught:
        Client(url, KEY)
    assert SENTINEL not in told(caught.value)


@pytest.mark.parametrize("blanks", [" {}", "{} ", "\t{}\r\n", "\xa0{}\n\n"])
def test_blanks_around_a_value_of_the_environment_are_not_part_of_it(
    blanks: str, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBPIPE_URL", blanks.format(service.url))
    monkeypatch.setenv("JOBPIPE_API_KEY", blanks.format(KEY))
    client = Client.from_stage()
    assert (client.base_url, client.health()["status"]) == (service.url, "ok")
    assert service.seen[0].headers["x-api-key"] == KEY


@pytest.mark.parametrize("name", ["base_url", "api_key"])
@pytest.mark.parametrize("value", [" {}", "{}\n", "", None, 7, [], "{}é"])
def test_a_stage_file_with_an_unusable_value_is_damaged(
    name: str, value: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state: dict[str, Any] = {"base_url": f"http://127.0.0.1:9/{SENTINEL}", "api_key": SENTINEL}
    state[name] = value.format(state[name]) if isinstance(value, str) else value
    (tmp_path / "local.json").write_text(json.dumps(state), encoding="utf-8")
    monkeypatch.setenv("JOBPIPE_STATE_DIR", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"local\.json is damaged") as caught:
        Client.from_stage("local")
    assert SENTINEL not in told(caught.value)


def test_a_torn_stage_file_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "local.json").write_text(f'{{"base_url": "http://127.0.0.1:9", "api_key": "{SENTINEL}')
    monkeypatch.setenv("JOBPIPE_STATE_DIR", str(tmp_path))
    with pytest.raises(ConfigurationError, match="damaged") as caught:
        Client.from_stage("local")
    assert SENTINEL not in told(caught.value)


def library_errors() -> Iterator[type[Exception]]:
    for module in (requests.exceptions, urllib3.exceptions, http.client):
        for kind in vars(module).values():
            if inspect.isclass(kind) and issubclass(kind, Exception) and not issubclass(kind, Warning):
                yield kind
    yield from (ValueError, UnicodeError, OSError, ConnectionResetError, socket.gaierror)


LIBRARY_ERRORS = list(dict.fromkeys(library_errors()))


def made(kind: type[Exception], text: str) -> Exception:
    error = kind.__new__(kind)
    Exception.__init__(error, text)
    error.args = (text,)
    return error


@pytest.mark.parametrize("kind", LIBRARY_ERRORS, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_no_message_of_a_library_is_passed_on(kind: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also not a message of a later release."""

    def fail(*_: object, **__: object) -> None:
        raise made(kind, f"Invalid header value b'{SENTINEL}'") from made(kind, f"x-api-key: {SENTINEL}")

    monkeypatch.setattr(requests.Session, "request", fail)
    with pytest.raises(TransportError, match=r"jobs\.example\.test") as caught:
        Client("http://jobs.example.test/v1", SENTINEL, retries=0).health()
    assert SENTINEL not in told(caught.value)


def raw_answers() -> dict[str, bytes]:
    echo = f"x-api-key: {SENTINEL}".encode()
    length = str(len(echo)).encode()
    return {
        "a text": b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: " + length + b"\r\n\r\n" + echo,
        "a text of a success": b"HTTP/1.1 200 OK\r\nContent-Length: " + length + b"\r\n\r\n" + echo,
        "a reason": b"HTTP/1.1 500 " + echo + b"\r\nContent-Length: 0\r\n\r\n",
        "no status line": echo + b"\r\n\r\n",
        "a status that is none": b"HTTP/1.1 " + echo + b"\r\n\r\n",
        "a broken length": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + echo + b"\r\n",
        "a part": b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + echo,
        "no gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: " + length + b"\r\n\r\n" + echo,
        "a redirect": b"HTTP/1.1 302 Found\r\nLocation: http://" + SENTINEL.encode() + b"@x.test/\r\n"
        b"Content-Length: 0\r\n\r\n",
        "a long header": b"HTTP/1.1 200 OK\r\nX-Long: " + echo * 5000 + b"\r\n\r\n",
    }


@pytest.mark.parametrize("answer", raw_answers().values(), ids=raw_answers())
def test_an_answer_that_quotes_the_request_is_shown_without_the_key(
    answer: bytes, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(answer) as url:
        with pytest.raises(JobpipeError) as caught:
            Client(url, SENTINEL, request_timeout=5, retries=0).stats()
        assert SENTINEL not in told(caught.value)
        monkeypatch.setenv("JOBPIPE_URL", url)
        monkeypatch.setenv("JOBPIPE_API_KEY", SENTINEL)
        monkeypatch.setattr("jobpipe_client.http.transport._BACKOFF", lambda _: 0.0)
        assert main(["stats"]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("jobpipe: ")
    assert SENTINEL not in said.err + said.out


class answering:  # noqa: N801
    """A server that answers every request with these bytes."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def __enter__(self) -> str:
        self._socket = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(self._answer)

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


QUOTING: dict[str, Callable[[Client], object]] = {
    "job": lambda client: client.job("j"),
    "batch": lambda client: client.batch("b"),
    "stats": lambda client: client.stats(),
    "list": lambda client: list(client.iter_items()),
    "health": lambda client: client.health(),
}


@pytest.mark.parametrize("ask", QUOTING.values(), ids=QUOTING)
@pytest.mark.parametrize("body", [KEY, [KEY], {"id": "j", "created_at": KEY}, {"at": KEY, "queue": KEY}], ids=str)
def test_an_answer_in_another_form_is_reported_without_its_content(
    ask: Callable[[Client], object], body: Any, client: Client, service: Service
) -> None:
    service.canned.append(Canned(200, {}, body))
    if (ask, type(body)) == (QUOTING["health"], dict):
        return  # any object will do
    with pytest.raises(InvalidResponse) as caught:
        ask(client)
    assert KEY not in told(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        f"x-api-key: {KEY}",
        {"message": f"x-api-key: {KEY}"},
        problem(400, "invalid-request", f"x-api-key: {KEY}"),
        {**problem(400, "invalid-request"), "errors": [{"pointer": "#", "detail": KEY}]},
    ],
    ids=["text", "message", "detail", "errors"],
)
def test_a_refusal_that_quotes_the_key_is_shown_without_it(client: Client, service: Service, body: Any) -> None:
    service.canned.append(Canned(400, {}, body))
    with pytest.raises(JobpipeError, match="<the API key>") as caught:
        client.stats()
    assert KEY not in told(caught.value)


def test_a_link_to_another_host_is_reported_without_its_path(client: Client, service: Service) -> None:
    link = f'<http://somebody:{KEY}@elsewhere.test/{KEY}>; rel="next"'
    service.canned.append(Canned(200, {"Link": link}, []))
    with pytest.raises(JobpipeError, match=r"another host: http://elsewhere\.test$") as caught:
        list(client.iter_items())
    assert KEY not in told(caught.value)


def test_missing_outcomes_are_reported_without_a_librarys_message(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ValueError(f"Invalid endpoint: {SENTINEL}")

    monkeypatch.setattr(
        "jobpipe_client.cli.commands.stats.import_from_own_checkout", lambda _: SimpleNamespace(read_outcomes=fail)
    )
    monkeypatch.setenv("JOBPIPE_URL", service.url)
    monkeypatch.setenv("JOBPIPE_API_KEY", KEY)
    assert main(["stats"]) == 0
    said = capsys.readouterr()
    assert said.err == "no outcomes: ValueError\n"


@pytest.mark.parametrize("name", ["JOBPIPE_API_KEY", "JOBPIPE_URL"])
@pytest.mark.parametrize("value", [f"{SENTINEL} {SENTINEL}", f"{SENTINEL}é", f"x\n{SENTINEL}"])
def test_the_command_line_refuses_without_the_value(name: str, value: str, service: Service) -> None:
    values = {"JOBPIPE_URL": service.url, "JOBPIPE_API_KEY": KEY, name: value}
    done = subprocess.run(
        [sys.executable, "-m", "jobpipe_client.cli", "stats"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nowhere", **values},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert SENTINEL not in done.stderr + done.stdout
