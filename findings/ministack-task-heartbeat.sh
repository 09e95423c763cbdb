#!/usr/bin/env bash
# MiniStack 1.5.33: HeartbeatSeconds of a task that waits for a token has no effect.
#
# Valid input: a task of .waitForTaskToken with HeartbeatSeconds 2, whose worker sends no heartbeat.
# Expected: after two seconds it fails with States.HeartbeatTimeout.
# Seen: after ten seconds the execution is still running.
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

states = client("stepfunctions")
URL, _ = queue("tokens")
TASK = {
    "Type": "Task",
    "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
    "Parameters": {"QueueUrl": URL, "MessageBody": {"token.$": "$$.Task.Token"}},
    "End": True,
}


def started(name, state, given="{}"):
    machine = states.create_state_machine(
        name=name, roleArn="arn:aws:iam::000000000000:role/states",
        definition=json.dumps({"StartAt": "Wait", "States": {"Wait": {**TASK, **state}}}),
    )
    return states.start_execution(stateMachineArn=machine["stateMachineArn"], input=given)["executionArn"]


def token():
    for _ in range(50):
        messages = sqs.receive_message(QueueUrl=URL).get("Messages", [])
        if messages:
            sqs.delete_message(QueueUrl=URL, ReceiptHandle=messages[0]["ReceiptHandle"])
            return json.loads(messages[0]["Body"])["token"]
        time.sleep(0.1)
    sys.exit("no token came")


def ended(execution, seconds):
    until = time.monotonic() + seconds
    while True:
        found = states.describe_execution(executionArn=execution)
        if found["status"] != "RUNNING" or time.monotonic() > until:
            return found["status"], found.get("error")
        time.sleep(0.25)

execution = started("heartbeat", {"HeartbeatSeconds": 2})
token()
found = ended(execution, 10)
print(found)
if found != ("RUNNING", None):
    sys.exit("this has changed")
PYTHON
