"""Environment variables and files of AWS that would redirect or break requests, and that contain a sentinel."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES, DEFAULT_S3_CONFIG_VARS

SENTINEL = "sentinel0123456789"
UNUSED_URL = "http://127.0.0.1:9"  # nothing listens there
SERVICES = ("apigateway", "cloudformation", "cloudwatch", "dynamodb", "lambda", "logs", "s3", "sqs", "sts")


def variables_of_botocore() -> list[str]:
    """Return the variables of botocore's settings, from its own tables."""
    found: list[str] = []
    for _, names, _, _ in [*BOTOCORE_DEFAUT_SESSION_VARIABLES.values(), *DEFAULT_S3_CONFIG_VARS.values()]:
        found += [names] if isinstance(names, str) else names or []
    return found


HOSTILE = {
    **dict.fromkeys(variables_of_botocore(), SENTINEL),
    "AWS_PROFILE": "nobody",
    "AWS_DEFAULT_PROFILE": "nobody",
    "AWS_CA_BUNDLE": "/nowhere.pem",
    **dict.fromkeys(("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_DYNAMODB"), UNUSED_URL),
    **dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"), SENTINEL),
    "AWS_REGION": "mars-north-1",
    "AWS_ROLE_ARN": SENTINEL,
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": UNUSED_URL,
    "AWS_CREDENTIAL_EXPIRATION": SENTINEL,
    "BOTO_CONFIG": "/nowhere",
    **dict.fromkeys(
        ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"), UNUSED_URL
    ),
    "NO_PROXY": "",
    "no_proxy": "",
    "REQUESTS_CA_BUNDLE": "/nowhere.pem",
    "CURL_CA_BUNDLE": "/nowhere.pem",
    "SSL_CERT_FILE": "/nowhere.pem",
    "AWS_EC2_METADATA_DISABLED": SENTINEL,
}
CONFIGURATION = f"""
[default]
region = mars-north-1
endpoint_url = {UNUSED_URL}
use_dualstack_endpoint = true
use_fips_endpoint = true
retry_mode = adaptive
max_attempts = 1
ca_bundle = /nowhere.pem
tcp_keepalive = true
services = elsewhere
s3 =
  addressing_style = virtual
  use_accelerate_endpoint = true
  use_dualstack_endpoint = true

[services elsewhere]
s3 =
  endpoint_url = {UNUSED_URL}
sqs =
  endpoint_url = {UNUSED_URL}
"""


def set_all(monkeypatch: pytest.MonkeyPatch, folder: Path, hostile: dict[str, str]) -> None:
    """Set these variables, and a home with files of AWS and a .netrc."""
    for name in HOSTILE:
        monkeypatch.delenv(name, raising=False)
    (folder / ".aws").mkdir()
    (folder / ".aws" / "config").write_text(CONFIGURATION)
    (folder / ".aws" / "credentials").write_text(f"[default]\naws_access_key_id = {SENTINEL}\n")
    (folder / ".netrc").write_text(f"default login somebody password {SENTINEL}\n")
    (folder / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(folder))
    for name, value in hostile.items():
        monkeypatch.setenv(name, value)
