"""A zip has only our files and files locked by hash, and its bill of materials names each once."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from infra.environments.locked_requirements import read_locked
from infra.errors import OperatorError
from infra.packaging.bill_of_materials import find_owners, write_bill
from infra.packaging.distributions import Distribution, fetch_wheels, only_from
from infra.settings import ROOT, tool_environment
from tests.helpers import commands

pytestmark = pytest.mark.slow

JOBPIPE = Distribution("jobpipe", "1.0", "MIT", None, frozenset({"lib"}), {"app.py": b"a", "jobpipe/x.py": b"x"})
LIB = Distribution(
    "lib", "2.0", "Apache License 2.0", "0" * 64, frozenset({"gone"}), {"lib.py": b"l", "py.typed": b""}
)
GOOD = {**JOBPIPE.files, **LIB.files}
TOOLS_LOCK = ROOT / "requirements.lock"


def zipped(folder: Path, files: dict[str, bytes]) -> Path:
    path = folder / "lambda.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return path


def built(folder: Path, files: dict[str, bytes] = GOOD) -> str:
    archive = zipped(folder, files)
    return write_bill("api", archive, find_owners(archive, [JOBPIPE, LIB]), "1.0").read_text()


def test_only_equal_zips_have_equal_bills(tmp_path: Path) -> None:
    first = built(tmp_path)

    assert built(tmp_path) == first
    fewer = built(tmp_path, JOBPIPE.files)
    assert json.loads(fewer)["serialNumber"] != json.loads(first)["serialNumber"]
    assert "timestamp" not in first


def test_a_bill_is_valid_and_has_version_licence_and_hashes(tmp_path: Path) -> None:
    text = built(tmp_path)

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    assert bill["specVersion"] == "1.6"
    jobpipe, lib = sorted(bill["components"], key=lambda each: str(each["name"]))
    assert (jobpipe["purl"], jobpipe["licenses"]) == ("pkg:generic/jobpipe@1.0", [{"license": {"id": "MIT"}}])
    assert (lib["purl"], lib["licenses"]) == ("pkg:pypi/lib@2.0", [{"license": {"id": "Apache-2.0"}}])
    assert lib["hashes"] == [{"alg": "SHA-256", "content": "0" * 64}]
    assert {each["ref"]: each.get("dependsOn", []) for each in bill["dependencies"]} == {
        "jobpipe-api": ["jobpipe==1.0", "lib==2.0"],
        "jobpipe==1.0": ["lib==2.0"],
        "lib==2.0": [],
    }


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"evil.py": b""}, "evil.py, which belongs to no locked requirement"),
        ({"lib.py": b"L"}, "lib.py, which is not the file that lib 2.0 has"),
        ({"app.py": b"A"}, "app.py, which is not the file that jobpipe 1.0 has"),
    ],
)
def test_a_file_of_no_component_is_refused(tmp_path: Path, changed: dict[str, bytes], reason: str) -> None:
    with pytest.raises(OperatorError, match=reason):
        find_owners(zipped(tmp_path, GOOD | changed), [JOBPIPE, LIB])


def test_a_missing_source_file_is_refused(tmp_path: Path) -> None:
    fewer = {name: content for name, content in GOOD.items() if name != "jobpipe/x.py"}

    with pytest.raises(OperatorError, match=r"lacks jobpipe/x\.py, which is one of our sources"):
        find_owners(zipped(tmp_path, fewer), [JOBPIPE, LIB])


def test_a_file_of_two_components_is_refused(tmp_path: Path) -> None:
    twin = Distribution("twin", "1", "MIT", "1" * 64, frozenset(), {"py.typed": b""})

    with pytest.raises(OperatorError, match=r"py\.typed, which belongs to both lib and twin"):
        find_owners(zipped(tmp_path, GOOD), [JOBPIPE, LIB, twin])


def lock_of(path: Path, *names: str) -> Path:
    """Write requirements of a Lambda and their dependencies, as a user might lock them."""
    path.write_text("".join(f"{each.line}\n" for each in read_locked(TOOLS_LOCK) if each.name in names))
    return path


def test_a_wheel_of_another_hash_is_refused(tmp_path: Path) -> None:
    lock = lock_of(tmp_path / "requirements.txt", "six")
    text = lock.read_text()
    for digest in read_locked(lock)[0].hashes:
        text = text.replace(digest, digest[::-1])
    lock.write_text(text)

    with pytest.raises(OperatorError, match="cannot be downloaded: ERROR: THESE PACKAGES DO NOT MATCH THE HASHES"):
        fetch_wheels(lock, TOOLS_LOCK, tmp_path / "wheels", tmp_path / "kept")


def test_chalice_gets_only_the_wheels_of_the_lock(tmp_path: Path) -> None:
    wheels, download = tmp_path / "wheels", str(tmp_path / "download")
    whole_lock = lock_of(tmp_path / "requirements.txt", "python-dateutil", "six")
    short_lock = lock_of(tmp_path / "short.txt", "python-dateutil")
    fetched = fetch_wheels(whole_lock, TOOLS_LOCK, wheels, tmp_path / "kept")
    assert {each.name for each in fetched} == {"python-dateutil", "six", "chalice"}
    pip = [sys.executable, "-m", "pip", "download", "--dest", download]  # as Chalice calls it
    environment = tool_environment() | only_from(wheels)
    six = next(f"six=={each.version}" for each in fetched if each.name == "six")

    whole = commands.run(*pip, "-r", str(whole_lock), env=environment)
    unlocked = commands.run(*pip, "-r", str(short_lock), env=environment)
    by_name = commands.run(*pip, "--no-deps", six, env=environment)
    from_source = commands.run(*pip, "--no-deps", "--no-binary=:all:", six, env=environment)

    assert whole.returncode == 0, whole.stderr
    assert "pinned with ==" in unlocked.stderr
    assert "Hashes are required" in by_name.stderr
    assert "No matching distribution" in from_source.stderr


def test_wheels_are_downloaded_once_and_a_changed_one_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, kept = lock_of(tmp_path / "requirements.txt", "six"), tmp_path / "kept"
    first = fetch_wheels(lock, TOOLS_LOCK, tmp_path / "first", kept)
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # what pip cannot fetch from now on was not fetched before

    assert fetch_wheels(lock, TOOLS_LOCK, tmp_path / "second", kept) == first
    assert {each.name for each in (tmp_path / "second").iterdir()} == {
        each.name for each in (tmp_path / "first").glob("*.whl")
    }
    other = lock_of(tmp_path / "other.txt", "six", "python-dateutil")
    with pytest.raises(OperatorError, match="cannot be downloaded"):
        fetch_wheels(other, TOOLS_LOCK, tmp_path / "third", kept)

    (wheel,) = kept.glob("*/six-*.whl")
    whole = wheel.read_bytes()
    for number, content in enumerate([whole + b"#", None]):
        wheel.unlink()
        if content is not None:
            wheel.write_bytes(content)
        with pytest.raises(OperatorError, match="cannot be downloaded"):
            fetch_wheels(lock, TOOLS_LOCK, tmp_path / f"spoilt-{number}", kept)
    monkeypatch.delenv("PIP_NO_INDEX")
    assert fetch_wheels(lock, TOOLS_LOCK, tmp_path / "again", kept) == first
    assert wheel.read_bytes() == whole
