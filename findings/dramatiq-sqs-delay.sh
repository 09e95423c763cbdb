#!/usr/bin/env bash
# dramatiq-sqs 0.4.4: a delay is rounded down to whole seconds, so a message is handled before its time.
#
# Valid input: messages with a delay of 900 and of 3000 milliseconds. Expected, by dramatiq's documentation of send_with_options:
# "the minimum amount of time, in milliseconds, the message should be delayed by". Seen: the first is handled at once, and one
# with 1900 after a second. SQS delays by whole seconds, and the time until which the message should wait does not stand in it.
set -euo pipefail
folder=$(mktemp -d)
running=()
trap 'kill "${running[@]}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
python3 -m venv venv-moto
venv/bin/pip install --quiet --disable-pip-version-check dramatiq-sqs==0.4.4 dramatiq==2.2.1 boto3==1.44.8
venv-moto/bin/pip install --quiet --disable-pip-version-check 'moto[server,sqs]==5.2.5'

export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export QUEUES=http://127.0.0.1:$port
venv-moto/bin/moto_server -p "$port" >moto.log 2>&1 & running+=($!)
until (echo > "/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.5; done
cat > delay.py <<'PYTHON'
import os, time
import dramatiq
from dramatiq_sqs import SQSBroker

broker = SQSBroker(endpoint_url=os.environ["QUEUES"])
dramatiq.set_broker(broker)
waited = {}

@dramatiq.actor
def job(sent, delay):
    waited[delay] = 1000 * (time.time() - sent)

for delay in (900, 3000):
    job.send_with_options(args=(time.time(), delay), delay=delay)
worker = dramatiq.Worker(broker, worker_threads=1, worker_timeout=1000)
worker.start()
until = time.monotonic() + 20
while len(waited) < 2 and time.monotonic() < until:
    time.sleep(0.1)
worker.stop()
for delay, seen in sorted(waited.items()):
    print(delay, "early" if seen < delay else "not early")
PYTHON
seen=$(timeout 60 venv/bin/python delay.py)
echo "$seen"
[ "$seen" = '900 early
3000 not early' ] || { echo 'this has changed' >&2; exit 1; }
