#!/usr/bin/env bash
# moto 5.2.5: Input and InputPath of a rule's target are ignored if the target is a queue.
#
# Valid input: a rule of EventBridge with a queue as its target, once with Input and once with InputPath.
# Expected: the queue gets the Input, or the part of the event.
# Seen: it gets the whole event both times.
set -euo pipefail
folder=$(mktemp -d)
server=
end() { if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi; rm -rf "$folder"; }
trap end EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check 'moto[server]==5.2.5' boto3==1.43.106
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
venv/bin/moto_server -H 127.0.0.1 -p "$port" >server.log 2>&1 &
server=$!
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$port/moto-api/" >/dev/null && break; sleep 0.1; done

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

events = client("events")


def told(name, pattern, detail, **target):
    """Put one event, and return what the rule's queue receives."""
    url, arn = queue(name)
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": arn, **target}])
    events.put_events(Entries=[{"Source": "shop", "DetailType": "order", "Detail": json.dumps(detail)}])
    found = received(url, 2)
    events.remove_targets(Rule=name, Ids=["1"])
    return found

rule = {"source": ["shop"]}
found = {
    "Input": told("input", rule, {"order": {"number": 7}}, Input='{"only": "this"}'),
    "InputPath": told("path", rule, {"order": {"number": 7}}, InputPath="$.detail.order"),
}
print({name: sorted(event) for name, event in found.items()})
if any(event.get("detail") != {"order": {"number": 7}} for event in found.values()):
    sys.exit("this has changed")
PYTHON
