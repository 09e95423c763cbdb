#!/usr/bin/env bash
# MiniStack 1.5.33: an event on EventBridge has the time at which it was put, not the `Time` of its entry.
#
# Valid input: PutEvents with Time 2026-01-02T03:04:05Z.
# Expected: the event's time is that one; AWS: "The time stamp of the event, per RFC3339. If no time stamp is provided,
#   the time stamp of the PutEvents call is used."
# Seen: the time of the call.
set -euo pipefail
folder=$(mktemp -d)
server=
end() { if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi; rm -rf "$folder"; }
trap end EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check ministack==1.5.33 boto3==1.43.106
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
env BIND_HOST=127.0.0.1 GATEWAY_PORT="$port" IOT_MTLS_ENABLED=0 PERSIST_STATE=0 S3_PERSIST=0 \
    venv/bin/python -m ministack >server.log 2>&1 &
server=$!
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$port/_ministack/health" >/dev/null && break; sleep 0.1; done

venv/bin/python - "$port" <<'PYTHON'
import json
import sys
import time

import boto3


def client(service):
    return boto3.client(
        service, endpoint_url=f"http://127.0.0.1:{sys.argv[1]}", region_name="us-east-1",
        aws_access_key_id="test", aws_secret_access_key="test",
    )


sqs = client("sqs")


def queue(name):
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    return url, attributes["QueueArn"]


def received(url, seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        messages = sqs.receive_message(QueueUrl=url).get("Messages", [])
        if messages:
            return json.loads(messages[0]["Body"])
        time.sleep(0.2)
    return None

from datetime import UTC, datetime

events = client("events")
url, arn = queue("told")
events.put_rule(Name="all", EventPattern=json.dumps({"source": ["shop"]}))
events.put_targets(Rule="all", Targets=[{"Id": "1", "Arn": arn}])
at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
before = datetime.now(UTC).replace(microsecond=0)
events.put_events(Entries=[{"Time": at, "Source": "shop", "DetailType": "order", "Detail": "{}"}])
found = datetime.fromisoformat(received(url, 5)["time"])
print(f"put with the time {at:%FT%TZ}; received with {'that time' if found == at else 'the time of the call'}")
if found < before:
    sys.exit("this has changed")
PYTHON
