"""Passes on the operator's pip settings for downloads, but not the settings about what to install or where."""

import ast
import os
import subprocess
from pathlib import Path

from infra.errors import OperatorError
from infra.settings import pip_variables, tool_environment

_INDEXES = {"index-url", "pypi-url", "extra-index-url", "no-index", "find-links"}
_CONNECTIONS = {"proxy", "no-proxy-env", "trusted-host", "cert", "client-cert", "keyring-provider"}
_TIMES = {"retries", "resume-retries", "timeout", "default-timeout"}
_PROGRAM = {"cache-dir", "no-cache-dir", "use-feature", "use-deprecated", "no-input"}
DOWNLOAD_SETTINGS = frozenset(_INDEXES | _CONNECTIONS | _TIMES | _PROGRAM)
"""Other settings do not apply: --user and --target install elsewhere, and constraints may contradict a lock."""

_SECTIONS = ("global", "download", "install")


def pip_environment(python: Path | str) -> dict[str, str]:
    """Return the environment for this interpreter's pip, with the operator's settings for downloads."""
    base = tool_environment()
    configured = _read_configuration(python, base | pip_variables({"PIP_CONFIG_FILE"}))
    given = pip_variables({_variable(setting) for setting in DOWNLOAD_SETTINGS})
    return base | {"PIP_CONFIG_FILE": os.devnull} | configured | given


def _read_configuration(python: Path | str, environment: dict[str, str]) -> dict[str, str]:
    listed: dict[str, set[str]] = {}
    for line in _pip_config(python, environment, "list").splitlines():
        name, equals, value = line.partition("=")
        if equals and name.partition(".")[2] in DOWNLOAD_SETTINGS:
            listed.setdefault(name, set()).add(str(ast.literal_eval(value)))
    configured: dict[str, str] = {}
    for section in _SECTIONS:  # a later section overrides an earlier one, as in pip
        for setting in sorted(DOWNLOAD_SETTINGS):
            values = listed.get(f"{section}.{setting}", set())
            if len(values) > 1:  # newer versions of pip list the values of all files, without an order
                values = {_pip_config(python, environment, "get", f"{section}.{setting}").rstrip("\n")}
            configured |= {_variable(setting): value for value in values if value}
    return configured


def _pip_config(python: Path | str, environment: dict[str, str], *arguments: str) -> str:
    # pip would treat these variables as options of `pip config`, and read only one file.
    all_files = {"PIP_USER": "0", "PIP_GLOBAL": "0", "PIP_SITE": "0"}
    done = subprocess.run(
        [str(python), "-m", "pip", "config", *arguments],
        env=environment | all_files,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        output = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
        raise OperatorError(f"pip's settings cannot be read: {output[-1]}")
    return done.stdout


def _variable(setting: str) -> str:
    return f"PIP_{setting.upper().replace('-', '_')}"
