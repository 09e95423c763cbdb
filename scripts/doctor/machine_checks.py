"""Checks of the machine and of the checkout: Python, make, the environments, Docker, the proxy."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator

from infra.environments.venvs import ENVIRONMENTS
from infra.settings import python_runtime
from infra.targets.compose import compose_command, run_command
from jobpipe_client.environment import http_settings
from jobpipe_client.exceptions import ConfigurationError
from scripts.doctor.findings import Finding, State

_AWS = "https://sts.amazonaws.com"


def check_python() -> Finding:
    """Return this interpreter's version, and the runtime of Lambdas that are deployed with it."""
    version = platform.python_version()
    runtime = python_runtime()
    if runtime != f"python{sys.version_info[0]}.{sys.version_info[1]}":
        text = f"{version}, which Lambda does not have yet: the Lambdas run on {runtime}"
        return Finding("python", State.NOTE, text, "nothing, or make PYTHON=... with an older version")
    return Finding("python", State.OK, version)


def check_make() -> Finding:
    """Return the version of make."""
    if shutil.which("make") is None:
        return Finding("make", State.WRONG, "not found", "install GNU make (Debian: apt install make)")
    lines = run_command("make", "--version").stdout.splitlines()
    if not lines or not lines[0].startswith("GNU Make"):
        return Finding("make", State.WRONG, "it is not GNU make", "install GNU make, and put it first on the PATH")
    return Finding("make", State.OK, lines[0])


def check_environments() -> Iterator[Finding]:
    """Yield whether the tools and the emulator are installed as the lock files say."""
    for name, key in (("tools", "tools"), ("ministack", "emulator")):
        environment = ENVIRONMENTS[key]
        where = f"{environment.title} in {environment.folder}"
        if environment.is_installed():
            yield Finding(name, State.OK, where)
        elif environment.folder.exists():
            yield Finding(name, State.NOTE, f"{where}: older than its lock file", "nothing: make renews it")
        else:
            yield Finding(name, State.NOTE, f"{where}: not installed yet", "nothing: make installs it when needed")


def check_docker() -> Finding:
    """Return whether LocalStack could run; without Docker the embedded emulator is used."""
    embedded = "nothing: the embedded emulator needs no Docker"
    if shutil.which("docker") is None or run_command("docker", "info").returncode:
        return Finding("docker", State.NOTE, "no Docker engine is running", embedded)
    if not compose_command():
        return Finding("docker", State.NOTE, "Docker Compose is not installed", embedded)
    return Finding("docker", State.OK, "an engine is running, and Compose is installed")


def check_proxy() -> Finding:
    """Return whether requests to AWS go through a proxy. Requests to this machine never do."""
    try:
        settings = http_settings(_AWS)
    except ConfigurationError as error:
        return Finding("proxy", State.WRONG, str(error), "correct or unset the variable (docs/environment.md)")
    if not settings.proxies:
        return Finding("proxy", State.OK, "none")
    names = sorted(
        {name.upper() for name in os.environ if name.lower() in {"http_proxy", "https_proxy", "all_proxy"}}
    )
    return Finding("proxy", State.OK, f"requests to AWS go through the proxy in {', '.join(names)}")
