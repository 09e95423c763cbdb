#!/usr/bin/env bash
# MiniStack 1.5.33: FilterLogEvents returns the first 10,000 events of a log group, and no nextToken for the others.
#
# Valid input: 10,500 events in one stream, read with botocore's paginator of FilterLogEvents.
# Expected: 10,500, in pages; AWS: "If the results include a token, then there are more log events available."
# Seen: one page of 10,000 events without a token, so that the paginator ends; GetLogEvents has all 10,500.
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
import sys
import time

import boto3

logs = boto3.client(
    "logs", endpoint_url=f"http://127.0.0.1:{sys.argv[1]}", region_name="us-east-1",
    aws_access_key_id="test", aws_secret_access_key="test",
)
group, stream = "/finding", "s"
logs.create_log_group(logGroupName=group)
logs.create_log_stream(logGroupName=group, logStreamName=stream)
start = int(time.time() * 1000) - 60_000
for first in range(0, 10_500, 5_000):
    events = [{"timestamp": start + n, "message": str(n)} for n in range(first, min(first + 5_000, 10_500))]
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
pages = list(logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=start))
filtered = sum(len(page["events"]) for page in pages)
got, token = 0, {}
while True:
    page = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True, **token)
    if not page["events"]:
        break
    got, token = got + len(page["events"]), {"nextToken": page["nextForwardToken"]}
print(f"FilterLogEvents: {filtered} events in {len(pages)} page(s), nextToken: {pages[-1].get('nextToken')}")
print(f"GetLogEvents:    {got} events")
if (filtered, len(pages), got) != (10_000, 1, 10_500):
    sys.exit("this has changed")
PYTHON
