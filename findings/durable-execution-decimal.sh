#!/usr/bin/env bash
# AWS durable execution SDK 3.0.0: a step may return a Decimal, a date or bytes, but the function may not.
#
# Valid input: a durable function that returns the result of its step. A step's Decimal is stored with its type and is a Decimal
# again after a wait. Expected: the function returns it in the same form, or as a number. Seen: the step succeeds, and then the
# function is FAILED, "Object of type Decimal is not JSON serializable". A child context, whose result is stored like a step's,
# may return it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check aws-durable-execution-sdk-python==3.0.0 \
    aws-durable-execution-sdk-python-testing==1.4.0
cat > function.py <<'PYTHON'
import datetime, logging
from decimal import Decimal
from aws_durable_execution_sdk_python.config import Duration
from aws_durable_execution_sdk_python.execution import durable_execution
from aws_durable_execution_sdk_python_testing.runner import DurableFunctionTestRunner

logging.disable()

def ended(function):
    with DurableFunctionTestRunner(handler=durable_execution(function)) as runner:
        result = runner.run(input="{}")
    return result.status.value, result.error.message if result.error else result.result

for value in (Decimal("1.10"), datetime.date(2026, 1, 2), b"a", "a"):
    def direct(event, context):
        return context.step(lambda step: value, name="step")

    def told(event, context):
        kept = context.run_in_child_context(lambda child: child.step(lambda step: value, name="step"), name="child")
        context.wait(Duration.from_seconds(1))
        return repr(kept)

    print(*ended(told))
    print("   returned:", *ended(direct))
PYTHON
seen=$(AWS_DEFAULT_REGION=eu-west-1 venv/bin/python function.py 2>log) || { cat log >&2; exit 1; }
echo "$seen"
[ "$seen" = "SUCCEEDED \"Decimal('1.10')\"
   returned: FAILED Object of type Decimal is not JSON serializable
SUCCEEDED \"datetime.date(2026, 1, 2)\"
   returned: FAILED Object of type date is not JSON serializable
SUCCEEDED \"b'a'\"
   returned: FAILED Object of type bytes is not JSON serializable
SUCCEEDED \"'a'\"
   returned: SUCCEEDED \"a\"" ] || { echo 'this has changed' >&2; exit 1; }
