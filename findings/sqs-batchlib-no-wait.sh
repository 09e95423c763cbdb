#!/usr/bin/env bash
# aws-sqs-batchlib 3.1.0: a receive with `WaitTimeSeconds=0` sends no request and finds nothing.
#
# Valid input: a queue with three messages, and receive_message with WaitTimeSeconds=0, which is short polling and the default of
# a queue. Expected: messages, since receive_message "accepts the same arguments and has the same response structure as boto3", which
# answers at once with what is there. Seen: an empty list each time. With WaitTimeSeconds=1, and without it, there are messages.
set -euo pipefail
folder=$(mktemp -d)
running=()
trap 'kill "${running[@]}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
python3 -m venv venv-moto
venv/bin/pip install --quiet --disable-pip-version-check aws-sqs-batchlib==3.1.0 boto3==1.44.8
venv-moto/bin/pip install --quiet --disable-pip-version-check 'moto[server,sqs]==5.2.5'

export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export QUEUES=http://127.0.0.1:$port
venv-moto/bin/moto_server -p "$port" >moto.log 2>&1 & running+=($!)
until (echo > "/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.5; done
cat > receive.py <<'PYTHON'
import os
import aws_sqs_batchlib
import boto3

client = boto3.client("sqs", endpoint_url=os.environ["QUEUES"])
url = client.create_queue(QueueName="jobs")["QueueUrl"]
for number in range(3):
    client.send_message(QueueUrl=url, MessageBody=str(number))
requests = []
client.meta.events.register("before-send.sqs.ReceiveMessage", lambda **_: requests.append(1))
asked = {"QueueUrl": url, "MaxNumberOfMessages": 3, "VisibilityTimeout": 0}
batch = aws_sqs_batchlib.receive_message(client, WaitTimeSeconds=0, **asked)
print("batchlib, 0:", len(batch["Messages"]), "messages,", len(requests), "requests")
print("boto3, 0:", len(client.receive_message(WaitTimeSeconds=0, **asked).get("Messages", [])), "messages")
print("batchlib, 1:", len(aws_sqs_batchlib.receive_message(client, WaitTimeSeconds=1, **asked)["Messages"]), "messages")
PYTHON
seen=$(timeout 60 venv/bin/python receive.py)
echo "$seen"
[ "$seen" = 'batchlib, 0: 0 messages, 0 requests
boto3, 0: 3 messages
batchlib, 1: 3 messages' ] || { echo 'this has changed' >&2; exit 1; }
