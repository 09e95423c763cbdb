#!/usr/bin/env bash
# ndjson 0.3.1, Python: a line separator (U+2028) inside a text becomes a comma, without an error.
#
# Valid input: one line, {"note": "first<U+2028>second"}; JSON allows U+2028 in a text, and NDJSON separates records by a line
# feed only. Expected: the same text. Seen: "first,second". loads() splits the input with str.splitlines(), for which
# U+2028, U+2029 and U+0085 end a line too, and joins the parts with commas to one JSON list.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check ndjson==0.3.1
cat > read.py <<'PYTHON'
import json

import ndjson

for text in ("first second", "first\u2028second", "first\u0085second"):
    line = json.dumps({"note": text}, ensure_ascii=False)
    print(ascii(text), "->", ascii(ndjson.loads(line + "\n")[0]["note"]), json.loads(line)["note"] == text)
PYTHON
seen=$(venv/bin/python read.py)
echo "$seen"
[ "$seen" = "'first second' -> 'first second' True
'first\\u2028second' -> 'first,second' True
'first\\x85second' -> 'first,second' True" ] || { echo 'this has changed' >&2; exit 1; }
