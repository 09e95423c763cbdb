"""docs/reference/openapi.json: the contract as every stage serves it, so that a review sees its changes."""

from __future__ import annotations

import json
from datetime import timedelta

from api_lambda.chalicelib.contract.openapi import document
from infra.settings import ROOT
from infra.templates.sources import read_template


def page() -> str:
    """The document of a stage with the templates' own retention, a line for each member."""
    days = read_template(ROOT / "infra" / "templates" / "api.merge.yaml")["Parameters"]["JobRetentionDays"][
        "Default"
    ]
    return json.dumps(document(timedelta(days=float(days))), indent=1, ensure_ascii=False) + "\n"
