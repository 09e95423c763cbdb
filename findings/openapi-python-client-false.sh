#!/usr/bin/env bash
# openapi-python-client 0.29.1: a schema `false` makes the document unreadable.
#
# Valid input (OpenAPI 3.1, whose schemas may be booleans): two operations; the schema of one's body has the properties
# {"name": …, "id": false}. Expected: both operations, or a warning about one. Seen: "Failed to parse OpenAPI document",
# "Input should be a valid dictionary or instance of Schema", no client, status 1. Without `id`: both, status 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check openapi-python-client==0.29.1
PATH="$folder/venv/bin:$PATH"

operations() { # of a client of this document; $1 is its name, $2 the properties of the body
    cat > "$1.json" <<JSON
{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {
  "/health": {"get": {"operationId": "health", "responses": {"204": {"description": "d"}}}},
  "/pets": {"post": {"operationId": "add",
    "requestBody": {"content": {"application/json": {"schema": {"\$ref": "#/components/schemas/NewPet"}}}},
    "responses": {"204": {"description": "d"}}}}},
 "components": {"schemas": {"NewPet": {"type": "object", "properties": {$2}}}}}
JSON
    status=0
    openapi-python-client generate --meta none --path "$1.json" --output-path "made-$1" >"$1.log" 2>&1 || status=$?
    sed 's/^/  /' "$1.log" >&2
    echo "$(find "made-$1/api" -mindepth 2 -name '[a-z]*.py' 2>/dev/null | wc -l) operations, status $status"
}

false=$(operations with-false '"name": {"type": "string"}, "id": false')
without=$(operations without '"name": {"type": "string"}')
echo "id: false: $false"
echo "without:   $without"
[ "$false" = "0 operations, status 1" ] && [ "$without" = '2 operations, status 0' ] || { echo 'this has changed' >&2; exit 1; }
