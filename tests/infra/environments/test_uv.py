"""uv installs the environments of a checkout where it is there, and pip wherever uv cannot."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from infra.environments.pip_settings import DOWNLOAD_SETTINGS
from infra.environments.uv_settings import uv_environment
from tests.infra.small_checkout import Checkout, configure, new_checkout

pytestmark = pytest.mark.slow

UV = Path(sys.executable).parent / "uv"
FAILS = "#!/bin/sh\necho called > {called}\nexit 2\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return new_checkout(tmp_path)


def path_with(uv: Path) -> str:
    """Return a PATH with this uv and no other."""
    others = [each for each in os.environ["PATH"].split(os.pathsep) if not (Path(each) / "uv").exists()]
    return os.pathsep.join([str(uv.parent), *others])


def installer(checkout: Checkout) -> str:
    (found,) = checkout.environment.glob("lib/python*/site-packages/probe-1.0.dist-info/INSTALLER")
    return found.read_text().strip()


@pytest.fixture
def uv(tmp_path: Path) -> Path:
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    uv.symlink_to(UV)
    return uv


def test_uv_installs_the_lock_with_the_settings_of_pip(checkout: Checkout, uv: Path) -> None:
    """The package is only where pip's settings say."""
    checkout.make(PATH=path_with(uv))
    assert installer(checkout) == "uv"


def test_uv_takes_nothing_whose_hash_is_another(checkout: Checkout, uv: Path) -> None:
    lock = checkout.folder / "infra" / "checks" / "requirements.lock"
    lock.write_text(f"probe==1.0 --hash=sha256:{'0' * 64}\n")
    made = checkout.start(PATH=path_with(uv))
    output = made.communicate(timeout=300)[1]
    assert made.returncode == 2
    assert "cannot be installed" in output
    assert not list(checkout.environment.glob("lib/python*/site-packages/probe*"))


def test_pip_installs_what_uv_cannot(checkout: Checkout, tmp_path: Path) -> None:
    called, uv = tmp_path / "called", tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text(FAILS.format(called=called))
    uv.chmod(0o755)
    checkout.make(PATH=path_with(uv))
    assert installer(checkout) == "pip"
    assert called.exists()


def test_pip_installs_if_uv_has_no_such_setting(checkout: Checkout, uv: Path) -> None:
    settings = ("no-index = true", f"find-links = {checkout.wheels.as_uri()}", "keyring-provider = disabled")
    configure(checkout.home, "[global]", *settings)
    checkout.make(PATH=path_with(uv))
    assert installer(checkout) == "pip"


def test_uv_is_given_each_setting_of_pip_or_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("PIP_", "UV_")) or name in {"SSL_CERT_FILE", "ALL_PROXY"}:
            monkeypatch.delenv(name)
    plain = uv_environment({}) or {}
    found = {}
    for setting in DOWNLOAD_SETTINGS:
        given = uv_environment({f"PIP_{setting.upper().replace('-', '_')}": "1 2"})
        found[setting] = None if given is None else dict(given.items() - plain.items())
    assert found == {
        "index-url": {"UV_DEFAULT_INDEX": "1 2"},
        "pypi-url": {"UV_DEFAULT_INDEX": "1 2"},
        "extra-index-url": {"UV_INDEX": "1 2"},
        "find-links": {"UV_FIND_LINKS": "1,2"},
        "trusted-host": {"UV_INSECURE_HOST": "1 2"},
        "no-index": {"UV_NO_INDEX": "1"},
        "no-cache-dir": {"UV_NO_CACHE": "1"},
        "cert": {"SSL_CERT_FILE": "1 2"},
        "proxy": {"ALL_PROXY": "1 2"},
        "timeout": {"UV_HTTP_TIMEOUT": "1 2"},
        "default-timeout": {"UV_HTTP_TIMEOUT": "1 2"},
        "retries": {"UV_HTTP_RETRIES": "1 2"},
        "cache-dir": {},  # it means nothing to uv, as the next
        "no-input": {},
        **dict.fromkeys(("no-proxy-env", "client-cert", "keyring-provider", "resume-retries"), None),
        **dict.fromkeys(("use-feature", "use-deprecated"), None),
    }


@pytest.mark.parametrize("value", ["0", "false", ""])
def test_a_switch_that_is_off_stays_off(value: str) -> None:
    assert "UV_NO_INDEX" not in (uv_environment({"PIP_NO_INDEX": value}) or {"UV_NO_INDEX": "?"})


def test_settings_of_uv_apply_to_downloads_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_TARGET", "/elsewhere")
    monkeypatch.setenv("UV_CACHE_DIR", "/cache")
    found = uv_environment({}) or {}
    assert found["UV_CACHE_DIR"] == "/cache"
    assert "UV_TARGET" not in found
