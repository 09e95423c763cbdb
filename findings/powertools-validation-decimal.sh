#!/usr/bin/env bash
# Powertools for AWS Lambda 3.37.0, Python: with `enable_validation=True`, a Decimal is answered with other digits.
#
# Valid input: a handler returns {"id": Decimal("12345678901234567.89")}, as boto3 reads it from DynamoDB. Expected: the same
# value with and without validation; the encoder of responses is there "to allow for serialization of Decimals". Seen: without
# validation a text with all digits; with validation a number that is a double, and 1.10 is 1.1. A number that a
# client reads as text before becomes a number once validation is enabled, though no schema is given.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check 'aws-lambda-powertools[parser]==3.37.0'
cat > answer.py <<'PYTHON'
from decimal import Decimal
from aws_lambda_powertools.event_handler import APIGatewayRestResolver

event = {"path": "/job", "httpMethod": "GET", "requestContext": {"stage": "v1", "path": "/job"}, "headers": {}, "body": None}
for validation in (False, True):
    app = APIGatewayRestResolver(enable_validation=validation)

    @app.get("/job")
    def job():
        return {"id": Decimal("12345678901234567.89"), "price": Decimal("1.10"), "parts": Decimal("3")}

    print(f"validation {validation}:", app.resolve(event, None)["body"])
PYTHON
seen=$(venv/bin/python answer.py)
echo "$seen"
[ "$seen" = 'validation False: {"id":"12345678901234567.89","price":"1.10","parts":"3"}
validation True: {"id":1.2345678901234568e+16,"price":1.1,"parts":3}' ] || { echo 'this has changed' >&2; exit 1; }
