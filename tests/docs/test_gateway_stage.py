"""States of Step Functions on the pages that call the API name the stage that API Gateway has."""

from __future__ import annotations

import json
import re

from infra.targets.target import API_STAGE
from tests.docs.test_links import PAGES
from tests.helpers.commands import ROOT

_JSON = re.compile(r"^```json\n(\{\n.*?^\})\n```$", re.MULTILINE | re.DOTALL)


def test_a_state_that_calls_the_api_names_its_stage() -> None:
    states = [
        json.loads(block) for page in PAGES for block in _JSON.findall(page.read_text()) if "ApiEndpoint" in block
    ]
    assert states
    assert {each["Parameters"]["Stage"] for each in states} == {API_STAGE}


def test_chalice_makes_this_stage() -> None:
    config = json.loads((ROOT / "api_lambda" / ".chalice" / "config.json").read_text())
    assert config["api_gateway_stage"] == API_STAGE
