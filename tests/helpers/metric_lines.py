"""Lines of metrics as CloudWatch reads them, for tests of what is counted."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from jobpipe.runtime.metrics import NAMESPACE

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
EMBEDDED_METRIC_FORMAT: dict[str, Any] = {
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "properties": {
                "Timestamp": {"type": "integer"},
                "CloudWatchMetrics": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["Namespace", "Dimensions", "Metrics"],
                        "properties": {
                            "Namespace": {"type": "string", "minLength": 1, "maxLength": 1024},
                            "Dimensions": {
                                "type": "array",
                                "minItems": 1,
                                "items": {"type": "array", "maxItems": 30, "items": {"type": "string"}},
                            },
                            "Metrics": {
                                "type": "array",
                                "maxItems": 100,
                                "items": {
                                    "type": "object",
                                    "required": ["Name"],
                                    "properties": {"Unit": {"enum": ["Count", "Milliseconds", "Seconds"]}},
                                },
                            },
                        },
                    },
                },
            },
        }
    },
}


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return the lines of metrics; check the format of each and that its metrics are known."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    found = [line for line in lines if "_aws" in line]
    for line in found:
        jsonschema.validate(line, EMBEDDED_METRIC_FORMAT)
        for directive in line["_aws"]["CloudWatchMetrics"]:
            assert directive["Namespace"] == NAMESPACE
            for name in [name for dimensions in directive["Dimensions"] for name in dimensions]:
                assert isinstance(line[name], str)
            for metric in directive["Metrics"]:
                values = line[metric["Name"]]
                assert 1 <= len(values) <= 100
                assert all(isinstance(value, float) for value in values)
    return found


def counts(lines: list[dict[str, Any]]) -> dict[tuple[str, str], float]:
    """Return the sums by metric and reason."""
    sums: dict[tuple[str, str], float] = {}
    for line in lines:
        for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
            if metric["Unit"] == "Count":
                key = (metric["Name"], line.get("reason", ""))
                sums[key] = sums.get(key, 0) + sum(line[metric["Name"]])
    return sums
