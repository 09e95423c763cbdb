#!/usr/bin/env bash
# MiniStack 1.5.33: EventBridge Scheduler sends its context attributes as they are written.
#
# Valid input: a one-time schedule whose Input has <aws.scheduler.scheduled-time> and <aws.scheduler.schedule-arn>.
# Expected: the time and the ARN in their places, as the user guide says ("Adding context attributes").
# Seen: the two names.
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

url, arn = queue("sent")
due = datetime.now(UTC) + timedelta(seconds=2)
client("scheduler").create_schedule(
    Name="once", ScheduleExpression=f"at({due:%Y-%m-%dT%H:%M:%S})", FlexibleTimeWindow={"Mode": "OFF"},
    Target={
        "Arn": arn, "RoleArn": "arn:aws:iam::000000000000:role/scheduler",
        "Input": json.dumps({"time": "<aws.scheduler.scheduled-time>", "of": "<aws.scheduler.schedule-arn>"}),
    },
)
found = received(url, 20)
print(found)
if found != {"time": "<aws.scheduler.scheduled-time>", "of": "<aws.scheduler.schedule-arn>"}:
    sys.exit("this has changed")
PYTHON
