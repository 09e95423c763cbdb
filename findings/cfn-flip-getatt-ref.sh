#!/usr/bin/env bash
# cfn-flip 1.3.0: a Ref as the attribute name of `!GetAtt` becomes the name of the parameter.
#
# Valid input: `!GetAtt [Stack, !Ref Output]`. Expected: {"Fn::GetAtt": ["Stack", {"Ref": "Output"}]}, since CloudFormation's page
# on Fn::GetAtt says of the attribute name that "you can use the Ref function". Seen: ["Stack", "Output"], which asks for an
# attribute of the name Output. `Fn::GetAtt:` in its long form keeps the Ref.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check cfn-flip==1.3.0 setuptools==80.9.0
cat > flip.py <<'PYTHON'
import json
from cfn_flip import to_json

for template in ("Value: !GetAtt [Stack, !Ref Output]", "Value:\n  Fn::GetAtt: [Stack, !Ref Output]"):
    print(json.dumps(json.loads(to_json(template))["Value"]))
PYTHON
seen=$(venv/bin/python flip.py)
echo "$seen"
[ "$seen" = '{"Fn::GetAtt": ["Stack", "Output"]}
{"Fn::GetAtt": ["Stack", {"Ref": "Output"}]}' ] || { echo 'this has changed' >&2; exit 1; }
