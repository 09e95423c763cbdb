"""A stand-in for AWS on loopback: a server without state that answers each call after a fixed time.

It is used where the emulator would be the limit: that is one Python process, so ten concurrent calls take ten times
as long as one. An answer depends on the request alone. `python -m tests.bench.laboratory.stand_in OPERATION=MS…`
prints the port and runs until its standard input ends.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

AWS_MS = {
    "GetItem": 4,
    "PutItem": 6,
    "UpdateItem": 6,
    "TransactWriteItems": 12,
    "SendMessage": 8,
    "PutObject": 25,
    "DeleteObject": 15,
    "ListObjectsV2": 20,
}
"""The milliseconds of a call, in the range of those of AWS inside a region."""

ENDED = "00000000"
"""The prefix of the ids of jobs that have ended, whose messages are duplicates."""
QUEUED = "11111111"
"""The prefix of the ids of jobs that are always queued, each with an item of its own."""

_TIME = "2026-11-22T20:57:44.123Z"
_DOCUMENT = '{"name":"Tent","description":"For two","price":12.95}'
_DOCUMENT_ROW = {"document_key": {"S": "items/i/j/g/v.json"}, "document_version": {"S": "v"}}
_ITEM = {
    "version": {"S": "0" * 16},
    "name": {"S": "Tent"},
    **_DOCUMENT_ROW,
    "inline": {"S": _DOCUMENT},
    "created_at": {"S": _TIME},
    "updated_at": {"S": _TIME},
}
_JOB = {
    "status": {"S": "succeeded"},
    "owner": {"S": "alice"},
    "generation": {"S": "0" * 16},
    "operation": {"S": "create"},
    "item_id": {"S": "i"},
    "fingerprint": {"S": "0" * 64},
    "attempts": {"N": "1"},
    "created_at": {"S": _TIME},
    "updated_at": {"S": _TIME},
    "expires_at": {"N": "9999999999"},
    "result": {"S": _DOCUMENT},
    "result_version": {"S": "0" * 16},
}
Answer = tuple[int, dict[str, str], bytes]  # status, headers, body
_NO_KEYS = b"<ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>0</KeyCount></ListBucketResult>"
_S3_ANSWERS: dict[str, Answer] = {
    "PutObject": (200, {"x-amz-version-id": "v", "ETag": '"e"'}, b""),
    "DeleteObject": (204, {}, b""),
    "ListObjectsV2": (200, {"Content-Type": "application/xml"}, _NO_KEYS),
}
_CANCELED = {
    "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
    "CancellationReasons": [{"Code": "ConditionalCheckFailed"}, {"Code": "None"}, {"Code": "None"}],
}


@contextmanager
def running_stand_in(milliseconds: Mapping[str, float]) -> Iterator[str]:
    """Run a stand-in for the block, and yield its URL."""
    delays = [f"{operation}={each}" for operation, each in milliseconds.items()]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.laboratory.stand_in", *delays],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.stdin.close()
        process.wait(timeout=30)


def answer(operation: str, body: bytes) -> Answer:
    """Return the answer to a call, as AWS would give it."""
    if operation in _S3_ANSWERS:
        return _S3_ANSWERS[operation]
    request: Any = json.loads(body)
    match operation:
        case "TransactWriteItems" if _ended_job(request["TransactItems"][0]).startswith(ENDED):
            return _json(_CANCELED, 400)
        case "UpdateItem" if _ended_job({"Update": request}).startswith(ENDED):
            return _json({"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}, 400)
    return _json(success(operation, request))


def success(operation: str, request: Any) -> object:
    """Return the body of the answer to a call that succeeds."""
    match operation:
        case "GetItem":
            return {"Item": _row(request["Key"])}
        case "SendMessage":
            return _sent(request)
        case "SendMessageBatch":
            return {"Successful": [{"Id": each["Id"], **_sent(each)} for each in request["Entries"]]}
    return {}


def _row(key: Any) -> Any:
    if "job_id" not in key:
        return key | _ITEM
    if key["job_id"]["S"].startswith(QUEUED):
        return key | _JOB | {"status": {"S": "queued"}, "item_id": key["job_id"]}
    return key | _JOB


def _ended_job(write: Any) -> str:
    """Return the id of the job that the write ends, or an empty string if it is a batch's put."""
    return str(write["Update"]["Key"]["job_id"]["S"]) if "Update" in write else ""


def _sent(message: Any) -> dict[str, str]:
    digest = hashlib.md5(message["MessageBody"].encode(), usedforsecurity=False).hexdigest()
    return {"MessageId": "m", "MD5OfMessageBody": digest, "SequenceNumber": "1"}


def _json(value: object, status: int = 200) -> Answer:
    return status, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(value).encode()


async def _serve(delays: Mapping[str, float]) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await _exchange(reader, writer, delays)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, backlog=128)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)  # also if connections are open


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delays: Mapping[str, float]
) -> None:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "100-continue" in headers.get("expect", ""):
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    operation = headers.get("x-amz-target", "").rpartition(".")[2] or _s3_operation(method, target)
    await asyncio.sleep(delays.get(operation, 0) / 1000)
    status, own_headers, content = answer(operation, body)
    all_headers = {"Content-Length": str(len(content)), "x-amzn-RequestId": "r", **own_headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in all_headers.items())
    writer.write(f"HTTP/1.1 {status} -\r\n{head}\r\n".encode() + content)


def _s3_operation(method: str, target: str) -> str:
    if method == "GET" and "list-type" in urlsplit(target).query:
        return "ListObjectsV2"
    return {"PUT": "PutObject", "DELETE": "DeleteObject"}[method]


if __name__ == "__main__":
    asyncio.run(_serve({name: float(each) for name, _, each in (word.partition("=") for word in sys.argv[1:])}))
