#!/usr/bin/env bash
# fastjsonschema 2.22.3: a schema that declares draft 2020-12 is compiled, and the keywords of that draft are passed over.
#
# Valid input: schemas whose $schema is 2020-12, each with one keyword that drafts up to 7 do not have, and a value that it
# refuses. Expected: the value is refused, or the schema is, as other validators do. Seen: every value is accepted, without a
# warning; the same rules in the words of draft 7 are applied.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check fastjsonschema==2.22.3
cat > check.py <<'PYTHON'
import fastjsonschema

def accepted(dialect, schema, value):
    try:
        fastjsonschema.compile({"$schema": dialect, **schema})(value)
    except fastjsonschema.JsonSchemaException:
        return "refused"
    return "accepted"

NEW = "https://json-schema.org/draft/2020-12/schema"
OLD = "http://json-schema.org/draft-07/schema#"
integers = [{"type": "integer"}]
print("prefixItems:", accepted(NEW, {"prefixItems": integers}, ["x"]))
print("items of draft 7:", accepted(OLD, {"items": integers}, ["x"]))
print("dependentRequired:", accepted(NEW, {"dependentRequired": {"card": ["name"]}}, {"card": 1}))
print("dependencies of draft 7:", accepted(OLD, {"dependencies": {"card": ["name"]}}, {"card": 1}))
print("minContains:", accepted(NEW, {"contains": {"type": "integer"}, "minContains": 2}, [1]))
print("unevaluatedProperties:", accepted(NEW, {"unevaluatedProperties": False}, {"b": 1}))
PYTHON
seen=$(venv/bin/python check.py)
echo "$seen"
[ "$seen" = 'prefixItems: accepted
items of draft 7: refused
dependentRequired: accepted
dependencies of draft 7: refused
minContains: accepted
unevaluatedProperties: accepted' ] || { echo 'this has changed' >&2; exit 1; }
