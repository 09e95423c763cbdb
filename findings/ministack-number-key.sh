#!/usr/bin/env bash
# MiniStack 1.5.33: a number in another notation is another key, and a table has two items with the same key.
#
# Valid input: an item with the number 9 as its sort key, and requests that write it as 9.0. Expected: the same item, since numbers are
# the same value ("leading and trailing zeroes are trimmed"), as moto 5.2.5 answers. Seen: GetItem finds nothing, DeleteItem deletes
# nothing, and UpdateItem makes a second item, which has the key 9 as well. PutItem and conditions know them as one number. DELETE of
# 9.0 from a number set leaves 9 in it.
set -euo pipefail
folder=$(mktemp -d)
running=()
trap 'kill "${running[@]}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
python3 -m venv venv-moto
venv/bin/pip install --quiet --disable-pip-version-check ministack==1.5.33 boto3==1.43.106
venv-moto/bin/pip install --quiet --disable-pip-version-check 'moto[server,dynamodb]==5.2.5'

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
ministack=$(port) moto=$(port)
BIND_HOST=127.0.0.1 GATEWAY_PORT=$ministack venv/bin/ministack >ministack.log 2>&1 & running+=($!)
venv-moto/bin/moto_server -p "$moto" >moto.log 2>&1 & running+=($!)

cat > ask.py <<'PYTHON'
import sys, time
import boto3

client = boto3.client(
    "dynamodb", endpoint_url=f"http://127.0.0.1:{sys.argv[1]}", region_name="eu-west-1",
    aws_access_key_id="test", aws_secret_access_key="test",
)
for _ in range(60):
    try:
        client.list_tables()
        break
    except Exception:
        time.sleep(0.5)
client.create_table(
    TableName="jobs", BillingMode="PAY_PER_REQUEST",
    KeySchema=[{"AttributeName": "owner", "KeyType": "HASH"}, {"AttributeName": "n", "KeyType": "RANGE"}],
    AttributeDefinitions=[{"AttributeName": "owner", "AttributeType": "S"}, {"AttributeName": "n", "AttributeType": "N"}],
)
client.get_waiter("table_exists").wait(TableName="jobs", WaiterConfig={"Delay": 1})

def key(number):
    return {"owner": {"S": "me"}, "n": {"N": number}}

def keys():
    return [float(item["n"]["N"]) for item in client.scan(TableName="jobs")["Items"]]

client.put_item(TableName="jobs", Item=key("9"))
found = "Item" in client.get_item(TableName="jobs", Key=key("9.0"))
client.update_item(
    TableName="jobs", Key=key("9.0"), UpdateExpression="SET note = :note", ExpressionAttributeValues={":note": {"S": "new"}},
)
updated = keys()
client.delete_item(TableName="jobs", Key=key("9.0"))
print("found:", found, "| updated:", updated, "| deleted:", keys())
PYTHON
seen=$(for emulator in ministack moto; do echo "$emulator: $(venv/bin/python ask.py "${!emulator}")"; done)
echo "$seen"
[ "$seen" = 'ministack: found: False | updated: [9.0, 9.0] | deleted: [9.0]
moto: found: True | updated: [9.0] | deleted: []' ] || { echo 'this has changed' >&2; exit 1; }
