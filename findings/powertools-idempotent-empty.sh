#!/usr/bin/env bash
# Powertools for AWS Lambda 3.37.0, Python: an idempotent handler that returned `{}` returns None for the repeated event.
#
# Valid input: the same event twice, and handlers that return {}, [], 0, False and "". Expected, by the page on idempotency: the
# handler is run once, and "the same result" is returned for the repeated event. Seen: it is run once, and the repeated event gets
# None, which is null to the caller. {"ok": false} is returned each time.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check aws-lambda-powertools==3.37.0 'moto[dynamodb]==5.2.5' boto3==1.44.8
cat > twice.py <<'PYTHON'
import boto3
from moto import mock_aws
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, IdempotencyConfig, idempotent

class Context:
    function_name = "orders"

    def get_remaining_time_in_millis(self):
        return 10000

with mock_aws():
    client = boto3.client("dynamodb", region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test")
    client.create_table(
        TableName="seen", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}], BillingMode="PAY_PER_REQUEST",
    )
    config = IdempotencyConfig(event_key_jmespath="id")
    layer = DynamoDBPersistenceLayer(table_name="seen", boto3_client=client)
    for number, result in enumerate(({"ok": False}, {}, [], 0, False, "")):
        runs = []

        @idempotent(persistence_store=layer, config=config)
        def handler(event, context):
            runs.append(event)
            return result

        print(repr(handler({"id": number}, Context())), repr(handler({"id": number}, Context())), len(runs), "run")
PYTHON
seen=$(venv/bin/python twice.py)
echo "$seen"
[ "$seen" = "{'ok': False} {'ok': False} 1 run
{} None 1 run
[] None 1 run
0 None 1 run
False None 1 run
'' None 1 run" ] || { echo 'this has changed' >&2; exit 1; }
