#!/usr/bin/env bash
# taskiq 0.13.0: an argument that is infinity or NaN arrives as None, even if the task declares a float.
#
# Valid input: a task with the parameter limit: float, sent with math.inf and with 1.5. Expected: inf, or an error at the
# sender, since JSON has no such number. Seen: None, and no error. A result of inf arrives as inf.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check taskiq==0.13.0
cat > send.py <<'PYTHON'
import asyncio, math
from taskiq import InMemoryBroker

broker = InMemoryBroker()

@broker.task
async def argument(limit: float) -> str:
    return repr(limit)

@broker.task
async def result() -> float:
    return math.inf

async def main():
    await broker.startup()
    for limit in (1.5, math.inf, math.nan):
        answer = await (await argument.kiq(limit)).wait_result(timeout=10)
        print(f"argument {limit}: {answer.return_value}, error {answer.error}")
    print("result inf:", (await (await result.kiq()).wait_result(timeout=10)).return_value)
    await broker.shutdown()

asyncio.run(main())
PYTHON
seen=$(venv/bin/python send.py)
echo "$seen"
[ "$seen" = 'argument 1.5: 1.5, error None
argument inf: None, error None
argument nan: None, error None
result inf: inf' ] || { echo 'this has changed' >&2; exit 1; }
