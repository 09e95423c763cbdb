#!/usr/bin/env bash
# moto 5.2.5: an event pattern matches no member of objects in an array.
#
# Valid input: the pattern {"detail": {"lines": {"sku": ["peg"]}}}, and an event with two lines, one of them a peg.
# Expected: a match; EventBridge looks into arrays of objects ("Arrays in event patterns").
# Seen: none. The same pattern matches if lines is one object.
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

rule = {"source": ["shop"], "detail": {"lines": {"sku": ["peg"]}}}
found = {
    "an object": told("object", rule, {"lines": {"sku": "peg"}}) is not None,
    "an array of objects": told("array", rule, {"lines": [{"sku": "tent"}, {"sku": "peg"}]}) is not None,
}
print(found)
if found != {"an object": True, "an array of objects": False}:
    sys.exit("this has changed")
PYTHON
