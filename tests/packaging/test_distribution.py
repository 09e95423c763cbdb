"""The distribution jobpipe-client: its contents, and its use without the project's other packages."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

import jobpipe
import jobpipe_client
from infra.errors import OperatorError
from infra.packaging import release

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PROJECT_PACKAGES = {path.parent.name for path in ROOT.glob("*/__init__.py")} | {
    "infra",
    "scripts",
    "tests",
    "api_lambda",
}


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        command, cwd=cwd, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Build both, as `make dist` does."""
    return release.build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def sdist(distributions: list[Path]) -> Path:
    return distributions[0]


@pytest.fixture(scope="module")
def wheel(distributions: list[Path]) -> Path:
    return distributions[1]


@pytest.mark.parametrize("kind", ["sdist", "wheel"])
def test_pip_installs_either_in_a_fresh_environment(kind: str, distributions: list[Path], tmp_path: Path) -> None:
    """Its requirements come from the tests' environment, and so does flit_core, which builds the source."""
    environment = tmp_path / "venv"
    run(sys.executable, "-m", "venv", environment, cwd=tmp_path)
    python = environment / "bin" / "python"
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).strip())
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    options = ("-q", "--no-index", "--no-deps", "--no-build-isolation")
    run(python, "-m", "pip", "install", *options, distributions[kind == "wheel"], cwd=tmp_path)
    assert run(environment / "bin" / "jobpipe", "--version", cwd=tmp_path).split()[-1] == jobpipe.__version__


@pytest.mark.parametrize(
    ("changelog", "tag", "problem"),
    [
        ("## [Unreleased]\n", "", "the newest release in CHANGELOG.md is missing, and jobpipe/__init__.py has"),
        ("## [99.0.0] - 2026-01-01\n## [{version}] - 2025-01-01\n", "", "CHANGELOG.md is 99.0.0, and"),
        ("## [Unreleased]\n\n## [{version}] - 2026-01-01\n", "v99.0.0", "is v{version}, not v99.0.0"),
        ("## [{version}] - 2026-01-01\n", "{version}", "is v{version}, not {version}"),
    ],
)
def test_a_release_has_one_version(changelog: str, tag: str, problem: str) -> None:
    version = jobpipe.__version__
    with pytest.raises(OperatorError) as caught:
        release.check_version(changelog.format(version=version), tag.format(version=version))
    assert problem.format(version=version) in str(caught.value)


def test_the_release_of_the_checkout_has_one_version() -> None:
    changelog = release.CHANGELOG.read_text(encoding="utf-8")
    release.check_version(changelog, "")
    release.check_version(changelog, f"v{jobpipe.__version__}")


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of an environment with the wheel and the packages of the tests' environment."""
    environment = tmp_path_factory.mktemp("environment") / "venv"
    run(sys.executable, "-m", "venv", environment, cwd=environment.parent)
    found = environment / "bin" / "python"
    run(found, "-m", "pip", "install", "-q", "--no-index", "--no-deps", wheel, cwd=environment.parent)
    site = Path(run(found, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=environment).strip())
    # Python does not read the .pth files of a folder that a .pth file adds, so no editable installation counts.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return found


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode())


def test_there_is_one_version() -> None:
    """The client cannot import jobpipe, which is not in its distribution."""
    assert jobpipe_client.__version__ == jobpipe.__version__


def test_the_wheel_has_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names} == {
        "jobpipe_client",
        f"jobpipe_client-{jobpipe.__version__}.dist-info",
    }
    assert "jobpipe_client/py.typed" in names
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "jobpipe_client").rglob("*.py")}
    assert sources == {name for name in names if name.endswith(".py")}
    assert any(name.endswith("LICENSE") for name in names)


def test_the_source_distribution_has_no_other_package(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        tops = {name.split("/")[1] for name in archive.getnames() if "/" in name}
    assert tops == {"jobpipe_client", "pyproject.toml", "LICENSE", "PKG-INFO"}


def test_the_metadata(wheel: Path) -> None:
    found = metadata(wheel)
    assert (found["Name"], found["Version"]) == ("jobpipe-client", jobpipe.__version__)
    assert found["Requires-Python"] == ">=3.11"
    assert found["License-Expression"] == "MIT"
    assert found["Description-Content-Type"] == "text/markdown"
    assert str(found.get_payload()).lstrip().startswith("# jobpipe-client")
    needed = found.get_all("Requires-Dist") or []
    always = {line.split(">")[0] for line in needed if "extra" not in line}
    assert always == {"requests", "tenacity"}
    assert {line.split(">")[0] for line in needed if 'extra == "cli"' in line} == {"click", "rich"}


def test_the_ranges_include_the_tested_versions() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["cli"]]
    pinned = dict(
        line.strip().split("==")
        for line in (ROOT / "requirements.in").read_text().splitlines()
        if "==" in line and not line.startswith("#")
    )
    for requirement in needed:
        name, _, ranges = requirement.partition(">=")
        low, _, high = ranges.partition(",<")
        version = [int(part) for part in pinned[name].split(".")]
        assert [int(part) for part in low.split(".")] <= version < [int(part) for part in high.split(".")]


def test_it_works_without_the_other_packages(python: Path, tmp_path: Path) -> None:
    """No server answers at the address, so the code runs up to the connection."""
    code = """
import importlib.util, sys
import jobpipe_client
from jobpipe_client import Client, Unreachable
assert "site-packages" in jobpipe_client.__file__ and jobpipe_client.__file__.startswith(sys.prefix)
print(*[name for name in sys.argv[1:] if importlib.util.find_spec(name)])
try:
    list(Client("http://127.0.0.1:1", "key", retries=0).submit_many([{"operation": "read", "item_id": "a"}]))
except Unreachable:
    print("unreachable")
"""
    output = run(python, "-c", code, *sorted(PROJECT_PACKAGES - {"tests"}), cwd=tmp_path)
    assert output.split() == ["jobpipe_client", "unreachable"]


def test_its_types_are_found(python: Path, tmp_path: Path) -> None:
    (tmp_path / "use.py").write_text(
        """
from jobpipe_client import Client
with Client("http://127.0.0.1:1", "key") as client:
    for submission, entry in client.outcomes(client.submit_many([])):
        reveal_type(submission.problem)
        reveal_type(entry.status)
"""
    )
    mypy = Path(sys.executable).with_name("mypy")
    output = run(
        *(mypy, "--strict", "--no-incremental", "--config-file=", "--python-executable", python, "use.py"),
        cwd=tmp_path,
    )
    assert 'Revealed type is "jobpipe_client.problem.Problem | None"' in output
    assert "succeeded" in output
