#!/usr/bin/env bash
# MiniStack 1.5.33: the conditions of CopyObject on its destination have no effect, and the object is overwritten.
#
# Valid input: CopyObject onto an existing object with IfNoneMatch `*`, and with the IfMatch of another ETag. Expected, by the
# reference of CopyObject: it "copies the object only if the object key name at the destination does not already exist", otherwise
# 412. Seen: 200 and the new content both times. PutObject with the same conditions, and CopySourceIfMatch, are refused. moto 5.2.5
# overwrites the object too, and CopySourceIfMatch has no effect there either.
set -euo pipefail
folder=$(mktemp -d)
running=()
trap 'kill "${running[@]}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
python3 -m venv venv-moto
venv/bin/pip install --quiet --disable-pip-version-check ministack==1.5.33 boto3==1.43.106
venv-moto/bin/pip install --quiet --disable-pip-version-check 'moto[server,s3]==5.2.5'

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
ministack=$(port) moto=$(port)
BIND_HOST=127.0.0.1 GATEWAY_PORT=$ministack venv/bin/ministack >ministack.log 2>&1 & running+=($!)
venv-moto/bin/moto_server -p "$moto" >moto.log 2>&1 & running+=($!)

cat > ask.py <<'PYTHON'
import sys, time
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

client = boto3.client(
    "s3", endpoint_url=f"http://127.0.0.1:{sys.argv[1]}", region_name="us-east-1", aws_access_key_id="test",
    aws_secret_access_key="test", config=Config(s3={"addressing_style": "path"}),
)
for _ in range(60):
    try:
        client.list_buckets()
        break
    except Exception:
        time.sleep(0.5)
client.create_bucket(Bucket="results")

def after(call, **conditions):
    client.put_object(Bucket="results", Key="kept", Body=b"kept")
    client.put_object(Bucket="results", Key="new", Body=b"new")
    try:
        call(Bucket="results", Key="kept", **conditions)
    except ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 412, error
    return client.get_object(Bucket="results", Key="kept")["Body"].read().decode()

source = {"CopySource": "results/new"}
print(
    "put:", after(client.put_object, Body=b"new", IfNoneMatch="*"), "| copy:", after(client.copy_object, IfNoneMatch="*", **source),
    after(client.copy_object, IfMatch='"0"', **source), "| source:", after(client.copy_object, CopySourceIfMatch='"0"', **source),
)
PYTHON
seen=$(for emulator in ministack moto; do echo "$emulator: $(venv/bin/python ask.py "${!emulator}")"; done)
echo "$seen"
[ "$seen" = 'ministack: put: kept | copy: new new | source: kept
moto: put: kept | copy: new new | source: new' ] || { echo 'this has changed' >&2; exit 1; }
