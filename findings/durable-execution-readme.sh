#!/usr/bin/env bash
# AWS durable execution testing SDK 1.4.0: the first example of its README fails.
#
# Valid input: the two code blocks under "Quick Start" of the README in the package, unchanged, and an import of Any.
# Expected: the assertions of the example. Seen: FAILED, "one() takes 2 positional arguments but 3 were given": a function under
# @durable_step gets a StepContext as its first argument, which the example's steps do not have. With that parameter added it passes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check aws-durable-execution-sdk-python==3.0.0 \
    aws-durable-execution-sdk-python-testing==1.4.0
cat > example.py <<'PYTHON'
import re, sys
from importlib.metadata import metadata

page = metadata("aws-durable-execution-sdk-python-testing").get_payload()
quick = page.partition("## Quick Start")[2].partition("## Testing functions")[0]
code = "from typing import Any\n" + "\n".join(re.findall(r"```python\n(.*?)```", quick, re.DOTALL))
if sys.argv[1] == "mended":
    code = re.sub(r"(@durable_step\ndef \w+\()", r"\1step_context, ", code)
# What the run came to, told before the example's own assertion.
told = "    print(result.status.value, result.error and result.error.message)\n"
code = code.replace("    assert result.status is", told + "    assert result.status is")
names = {}
exec(code, names)
try:
    names["test_my_durable_functions"]()
    print("the assertions hold")
except AssertionError:
    print("an assertion fails")
PYTHON
export AWS_DEFAULT_REGION=eu-west-1
seen=$(for as in written mended; do echo "$as: $(venv/bin/python example.py $as 2>>log | tr '\n' ',')"; done)
echo "$seen"
[ "$seen" = 'written: FAILED one() takes 2 positional arguments but 3 were given,an assertion fails,
mended: SUCCEEDED None,the assertions hold,' ] || { tail -5 log >&2; echo 'this has changed' >&2; exit 1; }
