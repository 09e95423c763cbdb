"""A checkout makes its own environments, in any state of the old ones and with any settings of the user.

The tests use a small checkout: the Makefile and infra/ as they are, and a lock of one package.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.cli import ownership
from infra.cli.ownership import permission_problem
from infra.environments import venvs as environments
from infra.environments.pip_settings import DOWNLOAD_SETTINGS, pip_environment
from infra.environments.venvs import ENVIRONMENTS, Environment, ensure
from infra.errors import OperatorError
from tests.helpers.commands import ROOT
from tests.infra.small_checkout import Checkout, configure, new_checkout

pytestmark = pytest.mark.slow

NOBODY = 65534


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout that has been set up. Every test leaves it in that state."""
    checkout = new_checkout(tmp_path_factory.mktemp("a checkout's"))
    assert checkout.make() == ["installing the checks (checkov, pip-audit, cloudformation-validate) ..."]
    return checkout


def is_recreated(output: list[str]) -> bool:
    return len(output) == 2 and "is recreated" in output[0] and output[1].startswith("installing ")


def test_a_valid_environment_is_left_alone(checkout: Checkout) -> None:
    before = (checkout.environment / "pyvenv.cfg").stat().st_mtime_ns
    (checkout.folder / "infra" / "checks" / "requirements.lock").touch()
    assert checkout.make(PYTHON="/no/python") == []
    assert (checkout.environment / "pyvenv.cfg").stat().st_mtime_ns == before


def test_a_newer_lock_is_installed_into_it(checkout: Checkout) -> None:
    other_file = checkout.environment / "other_file"
    other_file.touch()
    checkout.lock("newer")
    assert checkout.make() == ["installing the checks (checkov, pip-audit, cloudformation-validate) ..."]
    assert other_file.exists()


def remove_interpreter(environment: Path) -> None:
    for each in (environment / "bin").glob("python*"):
        each.unlink()
        each.symlink_to("/no/such/python")


def change_version(environment: Path) -> None:
    path = environment / "pyvenv.cfg"
    path.write_text(re.sub(r"^version = .*$", "version = 3.10.1", path.read_text(), flags=re.MULTILINE))


def remove_pip(environment: Path) -> None:
    for each in (environment / "lib").glob("python*/site-packages/pip"):
        shutil.rmtree(each)


def kill_interpreter(environment: Path) -> None:
    for each in (environment / "bin").glob("python*"):
        each.unlink()
        each.write_text("#!/bin/sh\nkill -ABRT $$\n")
        each.chmod(0o755)


def empty(environment: Path) -> None:
    shutil.rmtree(environment)
    environment.mkdir()


@pytest.mark.parametrize("spoil", [change_version, remove_pip, kill_interpreter])
def test_an_unusable_environment_is_recreated(checkout: Checkout, spoil: object) -> None:
    assert callable(spoil)
    spoil(checkout.environment)
    assert is_recreated(checkout.make())
    assert checkout.make() == []


def test_an_environment_whose_python_is_missing_is_made_by_another_python(checkout: Checkout) -> None:
    remove_interpreter(checkout.environment)
    started = checkout.start(PYTHON="/no/python")
    output = started.communicate(timeout=60)[1].splitlines()
    assert output[0] == "make: Python 3.11 or newer is needed; PYTHON=... names it"
    assert started.returncode == 2
    assert is_recreated(checkout.make())


def test_a_copied_checkout_makes_its_own_environment(checkout: Checkout, tmp_path: Path) -> None:
    copy = Checkout(tmp_path / "copy", checkout.home, checkout.wheels)
    shutil.copytree(checkout.folder, copy.folder, symlinks=True)
    assert is_recreated(copy.make())
    assert str(copy.folder) in (copy.environment / "bin" / "probe").read_text().partition("\n")[0]
    assert checkout.make() == []

    moved = Checkout(tmp_path / "moved", checkout.home, checkout.wheels)
    copy.folder.rename(moved.folder)
    assert is_recreated(moved.make())
    (tmp_path / "link").symlink_to(moved.folder)
    assert Checkout(tmp_path / "link", checkout.home, checkout.wheels).make() == [], "it is the same folder"


def test_two_concurrent_makes(checkout: Checkout) -> None:
    empty(checkout.environment)
    both = [checkout.start(), checkout.start()]
    output = [each.communicate(timeout=300)[1].splitlines() for each in both]
    assert [each.returncode for each in both] == [0, 0], output
    assert sorted(map(len, output)) == [0, 2], "one creates it, the other waits"
    assert checkout.version() == "1.0"


HARMFUL = {
    "user": "true",
    "target": "{elsewhere}",
    "prefix": "{elsewhere}",
    "root": "{elsewhere}",
    "require-virtualenv": "true",
    "no-deps": "true",
    "dry-run": "true",
    "constraint": "{constraint}",
    "requirement": "{constraint}",
    "no-binary": ":all:",
    "platform": "win32",
    "python-version": "2.7",
    "global-option": "--none",
    "ignore-requires-python": "true",
    "report": "{elsewhere}/report",
}
PYTHON_VARIABLES = {
    "PYTHONHOME": "{elsewhere}",
    "PYTHONPATH": "{bad}",
    "PYTHONSAFEPATH": "1",
    "PYTHONOPTIMIZE": "2",
}


@pytest.mark.parametrize("where", ["the user's file", "PIP_CONFIG_FILE, and variables"])
def test_a_users_settings_for_other_environments_do_not_apply(
    checkout: Checkout, where: str, tmp_path: Path
) -> None:
    """The user's index, here a folder, is still used."""
    bad = tmp_path / "bad"
    bad.mkdir()
    for module in ("json", "hashlib", "probe"):
        (bad / f"{module}.py").write_text("raise ImportError('a module of another folder')\n")
    constraint = tmp_path / "constraint"
    constraint.write_text("probe==2.0\n")
    places = {"elsewhere": tmp_path / "elsewhere", "constraint": constraint, "bad": bad}
    harmful = {name: value.format(**places) for name, value in HARMFUL.items()}
    fetch = {"no-index": "true", "find-links": checkout.wheels.as_uri()}
    more = {name: value.format(**places) for name, value in PYTHON_VARIABLES.items()}
    user = Checkout(checkout.folder, tmp_path / "home", checkout.wheels)
    lines = ["[global]", *(f"{name} = {value}" for name, value in (fetch | harmful).items())]
    lines += ["[install]", *(f"{name} = {value}" for name, value in harmful.items())]
    configure(tmp_path / "there", *lines)
    file = tmp_path / "there" / ".config" / "pip" / "pip.conf"
    if where == "the user's file":
        user.home = tmp_path / "there"
    else:
        more["PIP_CONFIG_FILE"] = str(file)
        more |= {f"PIP_{name.upper().replace('-', '_')}": value for name, value in (fetch | harmful).items()}
    empty(checkout.environment)

    assert is_recreated(user.make(**more))
    assert not places["elsewhere"].exists()
    assert not (user.home / ".local").exists()
    (installed,) = checkout.environment.glob("lib/python*/site-packages/probe.py")
    assert installed.is_file()


def test_a_users_settings_apply_in_the_order_of_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in os.environ if each.startswith(("PIP_", "XDG_"))]:
        monkeypatch.delenv(name)
    file = tmp_path / "file.conf"
    file.write_text("[global]\ntimeout = 1\nproxy = q\nuser = yes\n[install]\nretries = 4\nclient-cert = /a%20'b\n")
    configure(tmp_path, "[global]", "user = true", "site = true", "timeout = 2", "retries = 3", "proxy = p")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PIP_TIMEOUT", "5")
    monkeypatch.setenv("PIP_NO_DEPS", "1")

    def found(wanted: set[str]) -> dict[str, str]:
        """Return the given settings and those that must not apply."""
        settings = pip_environment(sys.executable)
        assert settings["PIP_CONFIG_FILE"] == os.devnull
        known = {f"PIP_{each.upper().replace('-', '_')}" for each in DOWNLOAD_SETTINGS}
        known |= {"PIP_CONFIG_FILE", "PIP_DISABLE_PIP_VERSION_CHECK"}
        return {
            name: value
            for name, value in settings.items()
            if name in wanted or (name[:4] == "PIP_" and name not in known)
        }

    names = {"PIP_TIMEOUT", "PIP_RETRIES", "PIP_PROXY", "PIP_CLIENT_CERT"}
    assert found(names) == {"PIP_TIMEOUT": "5", "PIP_RETRIES": "3", "PIP_PROXY": "p"}
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))  # instead of the user's
    monkeypatch.delenv("PIP_TIMEOUT")
    assert found(names) == {"PIP_TIMEOUT": "1", "PIP_RETRIES": "4", "PIP_PROXY": "q", "PIP_CLIENT_CERT": "/a%20'b"}
    monkeypatch.delenv("PIP_CONFIG_FILE")
    there = tmp_path / "xdg" / "pip"
    there.mkdir(parents=True)
    (there / "pip.conf").write_text("[global]\nproxy = of the system\nclient-cert = of the system\n")
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(there.parent))  # macOS has another place
    of_the_system = {} if sys.platform == "darwin" else {"PIP_CLIENT_CERT": "of the system"}
    assert found(names) == {"PIP_TIMEOUT": "2", "PIP_RETRIES": "3", "PIP_PROXY": "p"} | of_the_system


def test_pip_knows_the_settings_that_apply() -> None:
    options = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--help"], capture_output=True, text=True, check=True
    ).stdout
    hidden = {"pypi-url", "default-timeout", "no-proxy-env", "resume-retries"}
    assert [each for each in sorted(DOWNLOAD_SETTINGS - hidden) if f"--{each}" not in options] == []


def test_every_environment_of_make_is_listed() -> None:
    made = re.findall(r"\$\(call set_up,([^,\s]+),(\w+)(?:,emulator)?\)", (ROOT / "Makefile").read_text())
    folders = {"$(CHECKS)": "checks", "$(CLIENTS)-venv": "clients"}
    assert {name for _, name in made} == set(ENVIRONMENTS) - {"emulator"}
    for folder, name in made:
        assert folders.get(folder, folder) in {name, str(ENVIRONMENTS[name].folder.relative_to(ROOT))}


@pytest.fixture
def readable_folder() -> Iterator[Path]:
    """A folder that other users can read, unlike those of pytest."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for each in (folder, *folder.rglob("*")):
        if each.is_dir():
            each.chmod(0o755)
    shutil.rmtree(folder)


def refusal(environment: Environment) -> str:
    """Return the error of `ensure` for another user or, if the tests do not run as root, for a read-only folder."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe()

    def attempt() -> None:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        try:
            ensure(environment)
        except OperatorError as error:
            sender.send(str(error))
        sender.send("it was set up")

    process = context.Process(target=attempt)
    process.start()
    sender.close()  # otherwise recv() would not notice the end of the process
    output: str = receiver.recv()
    process.join()
    return output


@pytest.mark.parametrize("place", ["", ".venv", ".jobpipe"])
def test_a_folder_of_another_user_is_one_line(
    readable_folder: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = readable_folder / "requirements.lock"
    lock.touch()
    (readable_folder / ".jobpipe").mkdir()
    (readable_folder / ".jobpipe" / ".venv.lock").touch()
    (readable_folder / ".jobpipe" / ".venv.lock").chmod(0o666)
    (readable_folder / ".jobpipe").chmod(0o777)
    if place == ".venv":
        (readable_folder / ".venv").mkdir(mode=0o555)
        readable_folder.chmod(0o777)
    elif place == ".jobpipe":
        (readable_folder / ".jobpipe" / ".venv.lock").chmod(0o444)
    else:
        readable_folder.chmod(0o555)
    monkeypatch.setattr(environments, "ROOT", readable_folder)
    monkeypatch.setattr(ownership, "ROOT", readable_folder)
    output = refusal(Environment("tools", "the tools", readable_folder / ".venv", lock))
    where = readable_folder / place / ".venv.lock" if place == ".jobpipe" else readable_folder / place
    if os.geteuid() == 0:
        assert output.startswith(f"{readable_folder} belongs to root, and "), "all folders belong to root"
        assert output.endswith(f" {readable_folder})")
    else:
        assert output == f"{where} cannot be written to; is it read-only?"


def test_only_the_topmost_folder_of_another_user_is_named(
    readable_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This is the state after a sudo make."""
    monkeypatch.setattr(ownership, "ROOT", readable_folder)
    path = readable_folder / ".venv" / "lib"
    path.mkdir(parents=True)
    if os.geteuid() == 0:
        os.chown(readable_folder, NOBODY, NOBODY)
        monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
        assert permission_problem(path).startswith(f"{readable_folder / '.venv'} belongs to root, and ")
    else:
        assert permission_problem(path) == f"{path} cannot be written to; is it read-only?"


def test_the_owner_of_a_missing_file_is_that_of_its_folder() -> None:
    assert ("/ belongs to root" in permission_problem(Path("/missing/x"))) is (os.geteuid() != 0)
