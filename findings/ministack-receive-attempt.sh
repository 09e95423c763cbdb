#!/usr/bin/env bash
# MiniStack 1.5.33: a receive that is repeated with its ReceiveRequestAttemptId finds nothing, instead of the same messages.
#
# Valid input: a FIFO queue with one message; a consumer that got no answer receives again with the same attempt id, within the
# visibility timeout. Expected, by the reference of ReceiveMessage: "the same messages and receipt handles". Seen: the parameter is
# accepted, and the group stays locked until the timeout ends. moto 5.2.5 does the same.
set -euo pipefail
folder=$(mktemp -d)
running=()
trap 'kill "${running[@]}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
python3 -m venv venv-moto
venv/bin/pip install --quiet --disable-pip-version-check ministack==1.5.33 boto3==1.43.106
venv-moto/bin/pip install --quiet --disable-pip-version-check 'moto[server,sqs]==5.2.5'

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
ministack=$(port) moto=$(port)
BIND_HOST=127.0.0.1 GATEWAY_PORT=$ministack venv/bin/ministack >ministack.log 2>&1 & running+=($!)
venv-moto/bin/moto_server -p "$moto" >moto.log 2>&1 & running+=($!)

cat > ask.py <<'PYTHON'
import sys, time
import boto3

client = boto3.client(
    "sqs", endpoint_url=f"http://127.0.0.1:{sys.argv[1]}", region_name="eu-west-1",
    aws_access_key_id="test", aws_secret_access_key="test",
)
for _ in range(60):
    try:
        client.list_queues()
        break
    except Exception:
        time.sleep(0.5)
url = client.create_queue(QueueName="jobs.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
client.send_message(QueueUrl=url, MessageBody="job", MessageGroupId="g", MessageDeduplicationId="1")

def received(attempt):
    answer = client.receive_message(QueueUrl=url, ReceiveRequestAttemptId=attempt)
    return [message["Body"] for message in answer.get("Messages", [])]

print("first:", received("a"), "again:", received("a"))
PYTHON
seen=$(for emulator in ministack moto; do echo "$emulator: $(venv/bin/python ask.py "${!emulator}")"; done)
echo "$seen"
[ "$seen" = "ministack: first: ['job'] again: []
moto: first: ['job'] again: []" ] || { echo 'this has changed' >&2; exit 1; }
