#!/usr/bin/env bash
# MiniStack 1.5.33: EventBridge Scheduler takes the time of at(...) as UTC, whatever ScheduleExpressionTimezone says.
#
# Valid input: a one-time schedule in three seconds, once written in UTC, and once in the time zone of Tokyo.
# Expected: both send their message in time.
# Seen: the first does; the second sends none within 20 seconds, since its time in UTC is nine hours later.
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

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

scheduler = client("scheduler")
found = {}
for zone in ("UTC", "Asia/Tokyo"):
    url, arn = queue(zone.replace("/", "-"))
    due = (datetime.now(UTC) + timedelta(seconds=3)).astimezone(ZoneInfo(zone))
    scheduler.create_schedule(
        Name=zone.replace("/", "-"), ScheduleExpression=f"at({due:%Y-%m-%dT%H:%M:%S})",
        ScheduleExpressionTimezone=zone, FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": arn, "RoleArn": "arn:aws:iam::000000000000:role/scheduler", "Input": "{}"},
    )
    found[zone] = "sent" if received(url, 20) is not None else "not sent within 20 s"
print(found)
if found != {"UTC": "sent", "Asia/Tokyo": "not sent within 20 s"}:
    sys.exit("this has changed")
PYTHON
