#!/usr/bin/env bash
# Powertools for AWS Lambda 3.37.0, Python: the second function that shares a persistence layer gets the configuration of the first.
#
# Valid input: two functions with one layer. The first takes the whole event as the key, the second `id`. Expected: the second function
# is run once for two events with the same id, as its IdempotencyConfig says and as it is with a layer of its own. Seen: it is run
# twice, without a warning: a layer keeps the first configuration that it gets. Powertools for TypeScript says so on its page and warns
# (https://github.com/aws-powertools/powertools-lambda-typescript/pull/5422).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check aws-lambda-powertools==3.37.0 'moto[dynamodb]==5.2.5' boto3==1.44.8
cat > shared.py <<'PYTHON'
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

    def runs(name, first, second):
        paid = []

        @idempotent(persistence_store=first, config=IdempotencyConfig())
        def create(event, context):
            return "created"

        @idempotent(persistence_store=second, config=IdempotencyConfig(event_key_jmespath="id"))
        def pay(event, context):
            paid.append(event)
            return "paid"

        create({"id": name}, Context())
        for attempt in (1, 2):
            pay({"id": name, "attempt": attempt}, Context())
        return len(paid)

    layer = lambda: DynamoDBPersistenceLayer(table_name="seen", boto3_client=client)
    shared = layer()
    print("shared:", runs("a", shared, shared), "| of its own:", runs("b", layer(), layer()))
PYTHON
seen=$(venv/bin/python shared.py)
echo "$seen"
[ "$seen" = 'shared: 2 | of its own: 1' ] || { echo 'this has changed' >&2; exit 1; }
