"""Translates pip's settings into variables of uv, which installs faster but does not read pip's settings."""

import os
from collections.abc import Mapping

from infra.settings import tool_environment

_LISTS = {"PIP_EXTRA_INDEX_URL": ("UV_INDEX", " "), "PIP_FIND_LINKS": ("UV_FIND_LINKS", ",")}
_LISTS |= {"PIP_TRUSTED_HOST": ("UV_INSECURE_HOST", " ")}
_VALUES = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_PYPI_URL": "UV_DEFAULT_INDEX",
    "PIP_CERT": "SSL_CERT_FILE",
    "PIP_PROXY": "ALL_PROXY",
    "PIP_TIMEOUT": "UV_HTTP_TIMEOUT",
    "PIP_DEFAULT_TIMEOUT": "UV_HTTP_TIMEOUT",
    "PIP_RETRIES": "UV_HTTP_RETRIES",
}
_SWITCHES = {"PIP_NO_INDEX": "UV_NO_INDEX", "PIP_NO_CACHE_DIR": "UV_NO_CACHE"}
_NOT_NEEDED = {"PIP_CACHE_DIR", "PIP_NO_INPUT", "PIP_DISABLE_PIP_VERSION_CHECK", "PIP_CONFIG_FILE"}
_OFF = {"", "0", "false", "no", "off", "n", "f"}
# Other variables of uv determine what is installed, or where.
_DOWNLOADS = {
    *("UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX"),
    *("UV_CACHE_DIR", "UV_NO_CACHE", "UV_HTTP_TIMEOUT", "UV_HTTP_RETRIES", "UV_INSECURE_HOST", "UV_NATIVE_TLS"),
    *("UV_SYSTEM_CERTS", "UV_KEYRING_PROVIDER", "UV_LINK_MODE", "UV_OFFLINE"),
}


def uv_environment(pip: Mapping[str, str]) -> dict[str, str] | None:
    """Return the environment for uv from the one for pip, or None if uv has no equivalent of a pip setting."""
    found = {name: value for name, value in tool_environment().items() if not name.startswith(("UV_", "PIP_"))}
    found |= {name: value for name, value in os.environ.items() if name in _DOWNLOADS}
    for name, value in pip.items():
        if not name.startswith("PIP_") or name in _NOT_NEEDED:
            continue
        if name in _LISTS:
            variable, separator = _LISTS[name]
            found[variable] = separator.join(value.split())
        elif name in _VALUES:
            found[_VALUES[name]] = value
        elif name in _SWITCHES:
            if value.lower() not in _OFF:
                found[_SWITCHES[name]] = "1"
        else:
            return None
    # Like pip, uv must take a version from any index that has it; the lock's hashes show that it is the right file.
    return found | {"UV_INDEX_STRATEGY": "unsafe-best-match", "UV_NO_CONFIG": "1", "UV_NO_PROGRESS": "1"}
