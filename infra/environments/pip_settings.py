"""The settings of an operator's pip that apply here: those for downloads, but none on what to install and where."""

import ast
import os
import subprocess
from pathlib import Path

from infra.errors import OperatorError
from infra.settings import pip_variables, tool_environment

FETCHING = frozenset(
    {
        *("index-url", "pypi-url", "extra-index-url", "no-index", "find-links", "trusted-host", "keyring-provider"),
        *(
            "proxy",
            "no-proxy-env",
            "cert",
            "client-cert",
            "retries",
            "resume-retries",
            "timeout",
            "default-timeout",
        ),
        *("cache-dir", "no-cache-dir", "use-feature", "use-deprecated", "no-input"),
    }
)
"""All others are left out: --user and --target install elsewhere, and constraints may contradict a lock."""

_SECTIONS = ("global", "download", "install")


def pip_environment(python: Path | str) -> dict[str, str]:
    """The environment for this interpreter's pip, with the download settings of the operator's configuration."""
    quiet = tool_environment()
    found = _from_files(python, quiet | pip_variables({"PIP_CONFIG_FILE"}))
    return quiet | {"PIP_CONFIG_FILE": os.devnull} | found | pip_variables({_variable(key) for key in FETCHING})


def _from_files(python: Path | str, environment: dict[str, str]) -> dict[str, str]:
    listed: dict[str, set[str]] = {}
    for line in _ask(python, environment, "list").splitlines():
        name, equals, value = line.partition("=")
        if equals and name.partition(".")[2] in FETCHING:
            listed.setdefault(name, set()).add(str(ast.literal_eval(value)))
    found: dict[str, str] = {}
    for section in _SECTIONS:  # the later one wins, as with pip
        for key in sorted(FETCHING):
            values = listed.get(f"{section}.{key}", set())
            if len(values) > 1:  # newer versions of pip list the values of all files, without an order
                values = {_ask(python, environment, "get", f"{section}.{key}").rstrip("\n")}
            found |= {_variable(key): value for value in values if value}
    return found


def _ask(python: Path | str, environment: dict[str, str], *what: str) -> str:
    # These are also options of `pip config`, which would then read only one file.
    everywhere = {"PIP_USER": "0", "PIP_GLOBAL": "0", "PIP_SITE": "0"}
    done = subprocess.run(
        [str(python), "-m", "pip", "config", *what],
        env=environment | everywhere,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
        raise OperatorError(f"pip's settings cannot be read: {said[-1]}")
    return done.stdout


def _variable(key: str) -> str:
    return f"PIP_{key.upper().replace('-', '_')}"
