"""`python -m tests.measurements.growth`: measures time and memory of the worst known bodies and headers.

Linear growth shows as a ratio near 4. This is not part of the suite, since times depend on the machine;
tests/unit/scripts/test_growth.py has the checks that do not.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from functools import partial

from api_lambda.chalicelib.http import request_fields
from api_lambda.chalicelib.http.request_and_response import HttpRequest
from jobpipe.domain.commands.command import CreateItem, fingerprint
from jobpipe.domain.documents.item_rules import MAX_DOCUMENT_BYTES, check_new_document
from jobpipe.domain.errors import Refusal
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.queue_message import QueueMessage, seal
from jobpipe.domain.json_text import decode

MAX_HEADERS = 10_240
"""The most bytes of all headers that API Gateway accepts."""


def within(before: str, unit: str, after: str) -> Callable[[int], str]:
    """Return a function that makes a text of about a given size by repeating the unit."""
    return lambda size: before + unit * ((size - len(before) - len(after)) // len(unit.encode())) + after


def named(prefix: str, after: str) -> Callable[[int], str]:
    """Return a function that makes an object of about a given size with different names."""
    return lambda size: prefix + ",".join(f'"{n:06x}":1' for n in range(size // 11 - 20)) + after


HEAD = '{"name":"n","description":"d","x":'
LONG_NAMES = ('{"' + "x" * 80 + '":') * 29
BODIES = {
    "integers": within(HEAD + "[", "1,", "1]}"),
    "fractions": within(HEAD + "[", "1.5,", "1]}"),
    "exponents": within(HEAD + "[", "1e15,", "1]}"),
    "decimals": within(HEAD + "[", "0.12345678901234567890123,", "1]}"),
    "numbers that cannot be stored": within(HEAD + "[", "1e999,", "1]}"),
    "names that stand twice": within(HEAD + "[", '{"a":1,"a":2},', "1]}"),
    "texts that cannot be stored": within(HEAD + "[", '"\\u0000",', "1]}"),
    "digits": within(HEAD, "9", "}"),
    "zeros": within(HEAD + "1", "0", "}"),
    "zeros behind the point": within(HEAD + "1.", "0", "}"),
    "a long exponent": within(HEAD + "1e", "9", "}"),
    "strings": within(HEAD + "[", '"",', "1]}"),
    "escapes": within(HEAD + '"', "\\u00e9", '"}'),
    "surrogates": within(HEAD + '"', "\\ud83d\\ude00", '"}'),
    "emoji": within(HEAD + '"', "\U0001f600", '"}'),
    "what SQS does not take": within(HEAD + '"', "\uffff", '"}'),
    "objects": within(HEAD + "[", '{"a":1},', "1]}"),
    "names": named('{"name":"n","description":"d",', "}"),
    "a name twice, at the end": named('{"000000":1,"name":"n","description":"d","x":{', ',"000001":1}}'),
    "one name": within(HEAD + "{", '"a":1,', '"b":1}}'),
    "arrays, not closed": within("", "[", ""),
    "objects, not closed": within("", '{"a":', ""),
    "parts under long names": within(HEAD + LONG_NAMES + "[", "1,", "1]" + "}" * 30),
    "a name of combining marks": within('{"description":"d","name":"', "\u0300\u0316", '"}'),
    "lines": within(HEAD, "\n", "!"),
    "spaces": within(HEAD, " ", "1}"),
}
UNITS = [" ", "\t", ";", "; ", ";a=b", ';a="\\"', '"', '""', ",", '"a",', "\\", "a", "a/", "=", '"\\', 'W/"a" ,']
HEADERS = {
    "content-type": "application/json",
    "prefer": "wait=1",
    "if-match": '"a"',
    "idempotency-key": "k",
}


def accept(body: str) -> str:
    """Do everything that precedes the message of a body; return "taken" or the slug of the refusal."""
    try:
        command = CreateItem("i", check_new_document(decode(body.encode())))
    except Refusal as refusal:
        return refusal.slug
    fingerprint(command)
    seal(QueueMessage(JobRef("a", "b"), command.item_id, command, ""))
    return "taken"


def read(name: str, value: str) -> str:
    """Read the headers of a write; return "taken" or the slug of the refusal."""
    request = HttpRequest("PUT", {name: value}, {}, {}, "", b"{}", "o", "r", lambda: 1.0)
    try:
        request_fields.json_body(request, lambda value: value)
        request_fields.if_match(request)
        request_fields.preferred_wait(request)
        request_fields.idempotency_key(request)
    except Refusal as refusal:
        return refusal.slug
    return "taken"


def peak(function: Callable[[], object]) -> int:
    """Return the most bytes that Python held."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def best(function: Callable[[], object]) -> float:
    """Return the milliseconds of the fastest of three runs."""
    times = []
    for _ in range(3):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return min(times) * 1000


def compare(what: str, run: Callable[[int], str], size: int) -> None:
    """Print a line for a quarter of the size and the whole."""
    quarter, whole = best(lambda: run(size // 4)), best(lambda: run(size))
    kib = peak(lambda: run(size)) // 1024
    print(f"{what:36} {quarter:8.1f} {whole:8.1f} ms  x{whole / quarter:5.1f} {kib:8} KiB  {run(size)}")  # noqa: T201


def main() -> None:
    for what, text in BODIES.items():
        compare(what, partial(_accept_sized, text), MAX_DOCUMENT_BYTES)
    for name, start in HEADERS.items():
        for unit in UNITS:
            text = within(start, unit, "\x01")
            compare(f"{name} of {unit!r}", partial(_read_sized, name, text), MAX_HEADERS)


def _accept_sized(text: Callable[[int], str], size: int) -> str:
    return accept(text(size))


def _read_sized(name: str, text: Callable[[int], str], size: int) -> str:
    return read(name, text(size))


if __name__ == "__main__":
    main()
