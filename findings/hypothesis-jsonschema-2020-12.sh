#!/usr/bin/env bash
# hypothesis-jsonschema 0.23.1: for a schema that declares draft 2020-12, it generates values that the schema refuses.
#
# Valid input: $schema 2020-12 and prefixItems, the form of a tuple since that draft. Expected: arrays whose first element is an
# integer, or an error for a draft that is not supported. Seen: the first array that it generates has another first element,
# and there is no warning; with the same rule in the words of draft 7 all arrays are valid.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check hypothesis-jsonschema==0.23.1 hypothesis==6.170.15 jsonschema==4.26.0
cat > generate.py <<'PYTHON'
import warnings
from hypothesis import HealthCheck, given, settings
from hypothesis_jsonschema import from_schema
from jsonschema.validators import validator_for

integers = [{"type": "integer"}]
tuples = {"type": "array", "minItems": 1, "maxItems": 1}
schemas = {
    "prefixItems": {"$schema": "https://json-schema.org/draft/2020-12/schema", **tuples, "prefixItems": integers},
    "items of draft 7": {"$schema": "http://json-schema.org/draft-07/schema#", **tuples, "items": integers},
}
for name, schema in schemas.items():
    valid = validator_for(schema)(schema).is_valid
    found = []

    @settings(max_examples=50, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(from_schema(schema))
    def collect(value):
        found.append(valid(value))

    collect()
    print(f"{name}: {'all are valid' if all(found) else 'some are not valid'}")
PYTHON
seen=$(venv/bin/python generate.py)
echo "$seen"
[ "$seen" = 'prefixItems: some are not valid
items of draft 7: all are valid' ] || { echo 'this has changed' >&2; exit 1; }
