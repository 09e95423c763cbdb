"""A stand-in for AWS on loopback: the answers that the Lambdas need, each after a fixed time, and no state.

For where the emulator would be what is measured: it is one Python process, and ten calls at once keep it busy for
ten times as long as one. What the stand-in answers follows from the request alone, so it is the same however often
it is asked. `python -m tests.bench.stand_in OPERATION=MS…` prints its port and runs until its stdin ends.
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
"""Milliseconds of one call, in the range of what AWS takes inside a region."""

ENDED = "00000000"
"""A job whose id begins with this has ended: to its worker the message is a duplicate."""
WAITING = "11111111"
"""A job whose id begins with this is queued, whenever it is looked at; its item is its own."""

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
_OF_S3: dict[str, Answer] = {
    "PutObject": (200, {"x-amz-version-id": "v", "ETag": '"e"'}, b""),
    "DeleteObject": (204, {}, b""),
    "ListObjectsV2": (200, {"Content-Type": "application/xml"}, _NO_KEYS),
}
_REFUSED = {
    "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
    "CancellationReasons": [{"Code": "ConditionalCheckFailed"}, {"Code": "None"}, {"Code": "None"}],
}


@contextmanager
def running_stand_in(milliseconds: Mapping[str, float]) -> Iterator[str]:
    """Its URL, for the time of the block."""
    delays = [f"{operation}={each}" for operation, each in milliseconds.items()]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.stand_in", *delays],
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
    """What AWS would say, or the like of it."""
    if operation in _OF_S3:
        return _OF_S3[operation]
    said: Any = json.loads(body)
    match operation:
        case "TransactWriteItems" if _changed(said["TransactItems"][0]).startswith(ENDED):
            return _json(_REFUSED, 400)
        case "UpdateItem" if _changed({"Update": said}).startswith(ENDED):
            return _json({"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}, 400)
    return _json(agreed(operation, said))


def agreed(operation: str, said: Any) -> object:
    """The body of an answer to a call that is well."""
    match operation:
        case "GetItem":
            return {"Item": _row(said["Key"])}
        case "SendMessage":
            return _taken(said)
        case "SendMessageBatch":
            return {"Successful": [{"Id": each["Id"], **_taken(each)} for each in said["Entries"]]}
    return {}


def _row(key: Any) -> Any:
    if "job_id" not in key:
        return key | _ITEM
    if key["job_id"]["S"].startswith(WAITING):
        return key | _JOB | {"status": {"S": "queued"}, "item_id": key["job_id"]}
    return key | _JOB


def _changed(write: Any) -> str:
    """The id of the job that the write ends; a batch is put."""
    return str(write["Update"]["Key"]["job_id"]["S"]) if "Update" in write else ""


def _taken(message: Any) -> dict[str, str]:
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
    os._exit(0)  # with what still holds a connection


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delays: Mapping[str, float]
) -> None:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "100-continue" in headers.get("expect", ""):
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    operation = headers.get("x-amz-target", "").rpartition(".")[2] or _of_s3(method, target)
    await asyncio.sleep(delays.get(operation, 0) / 1000)
    status, answered, content = answer(operation, body)
    answered = {"Content-Length": str(len(content)), "x-amzn-RequestId": "r", **answered}
    head = "".join(f"{name}: {value}\r\n" for name, value in answered.items())
    writer.write(f"HTTP/1.1 {status} -\r\n{head}\r\n".encode() + content)


def _of_s3(method: str, target: str) -> str:
    if method == "GET" and "list-type" in urlsplit(target).query:
        return "ListObjectsV2"
    return {"PUT": "PutObject", "DELETE": "DeleteObject"}[method]


if __name__ == "__main__":
    asyncio.run(_serve({name: float(each) for name, _, each in (word.partition("=") for word in sys.argv[1:])}))
