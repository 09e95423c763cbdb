"""Dependencies point one way: the apps use jobpipe; what decides imports no AWS and no web framework."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What each folder of jobpipe may import of the others.
JOBPIPE_ROOMS: dict[str, set[str]] = {
    "domain": set(),
    "runtime": {"domain"},
    "stores": {"domain", "runtime"},
}
# What each folder of the API's chalicelib may import of the others. Endpoints import contract and console late.
API_ROOMS: dict[str, set[str]] = {
    "http": set(),
    "console": {"http"},
    "submitting": {"http"},
    "contract": {"http"},
    "endpoints": {"http", "submitting", "contract", "console"},
}

# The folders of infra, lowest first: each may import those before it. infra/*.py and a __main__.py are commands.
INFRA_ROOMS = (
    *(
        "cli",
        "stage",
        "templates",
        "environments",
        "packaging",
        "emulator",
        "targets",
        "stacks",
        "keys",
        "deployment",
    ),
    "checks",
)


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def packages(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


def modules(folder: str) -> list[Path]:
    return sorted(path for path in (ROOT / folder).rglob("*.py") if path.name != "__init__.py")


def test_every_module_of_jobpipe_is_in_a_room() -> None:
    assert {path.parent.name for path in modules("jobpipe")} == set(JOBPIPE_ROOMS)


@pytest.mark.parametrize("room", JOBPIPE_ROOMS)
def test_the_rooms_of_jobpipe_import_one_way(room: str) -> None:
    for path in modules(f"jobpipe/{room}"):
        others = {name.split(".")[1] for name in imports(path) if name.startswith("jobpipe.")}
        assert others <= {room, "__version__", *JOBPIPE_ROOMS[room]}, path


def test_what_decides_knows_no_aws() -> None:
    for path in modules("jobpipe/domain"):
        assert not packages(path) & {"boto3", "botocore", "chalice"}, path


@pytest.mark.parametrize("path", modules("jobpipe"), ids=lambda path: path.stem)
def test_what_is_shared_knows_neither_app(path: Path) -> None:
    assert not packages(path) & {"chalice", "chalicelib", "api_lambda", "worker_lambda", "infra", "jobpipe_client"}


@pytest.mark.parametrize("room", API_ROOMS)
def test_the_rooms_of_the_api_import_one_way(room: str) -> None:
    for path in modules(f"api_lambda/chalicelib/{room}"):
        tree = ast.parse(path.read_text())
        parents = [
            node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 2
        ]
        found = {module.split(".")[0] for module in parents}
        assert found <= {"services", *API_ROOMS[room]}, path


@pytest.mark.parametrize("room", INFRA_ROOMS)
def test_the_rooms_of_infra_import_one_way(room: str) -> None:
    allowed = set(INFRA_ROOMS[: INFRA_ROOMS.index(room) + 1]) | {"errors", "settings"}
    for path in modules(f"infra/{room}"):
        found = {name.split(".")[1] for name in imports(path) if name.startswith("infra.")}
        assert found <= allowed or path.name == "__main__.py", path


def test_every_module_of_infra_is_a_command_or_in_a_room() -> None:
    commands = {path.stem for path in (ROOT / "infra").glob("[!_]*.py")}
    assert commands == {"deploy", "errors", "local", "logs", "make_values", "settings"}
    assert {path.parent.name for path in modules("infra")} == {"infra", *INFRA_ROOMS}


@pytest.mark.parametrize("app", ["api_lambda", "worker_lambda"])
def test_the_apps_know_neither_each_other_nor_aws(app: str) -> None:
    for path in modules(f"{app}/chalicelib"):
        assert not packages(path) & {"boto3", "botocore", "api_lambda", "worker_lambda", "infra", "jobpipe_client"}
        # Chalice stays at the edge: app.py, and the one module that binds routes to it.
        assert "chalice" not in packages(path) or path.stem == "application"


@pytest.mark.parametrize("path", [*modules("jobpipe"), *modules("api_lambda"), *modules("worker_lambda")], ids=str)
def test_only_settings_are_read_from_the_environment(path: Path) -> None:
    allowed = {"app.py", "services.py"}  # they hand os.environ to Settings
    allowed |= {"metrics.py", "telemetry.py"}  # what lines tell: service, stage, trace
    assert "os" not in imports(path) or path.name in allowed


MADE_IN = {
    "requests": {"jobpipe_client/environment.py"},  # but for the names of its errors and of its answers
    "boto3": {"infra/targets/boto_sessions.py", "jobpipe/runtime/aws.py"},
    "botocore": {"infra/targets/boto_sessions.py"},
    "urllib3": {"scripts/load/http_calls.py"},
}
"""The modules that create sessions, clients and pools, and so decide what these read from the environment."""
MAKING = re.compile(
    r"\b(requests|boto3|botocore|urllib3)\.(?:session\.)?(?:Session|client|resource|get|post|put|patch|delete|head|request"
    r"|PoolManager|ProxyManager)\("
)


def test_connections_are_made_only_by_the_modules_that_decide_on_the_environment() -> None:
    found = {
        (made.group(1), path.relative_to(ROOT).as_posix())
        for folder in ("jobpipe", "jobpipe_client", "infra", "scripts", "api_lambda", "worker_lambda")
        for path in (ROOT / folder).rglob("*.py")
        for made in MAKING.finditer(path.read_text())
    }
    assert found == {(library, path) for library, paths in MADE_IN.items() for path in paths}
    for folder in ("jobpipe_client", "infra", "scripts"):
        for path in (ROOT / folder).rglob("*.py"):
            assert "urllib.request" not in imports(path), path


def test_operators_programs_do_not_fork() -> None:
    """Their open connections of boto3 and buffered files belong to one process."""
    for folder in ("infra", "scripts", "jobpipe_client", "jobpipe", "api_lambda", "worker_lambda"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text()
            spawned = "ProcessPoolExecutor(" in text and 'mp_context=get_context("spawn")' in text
            assert spawned or not {"multiprocessing", "ProcessPoolExecutor"} & set(re.findall(r"\w+", text)), path
            assert not re.search(r"\bos\.(fork|forkpty)\(|\bpty\.fork\(", text), path


def test_the_client_stands_alone() -> None:
    for path in (ROOT / "jobpipe_client").rglob("*.py"):
        assert not packages(path) & {"jobpipe", "infra", "scripts", "boto3", "chalice"}
        # click and rich come with the command line only.
        assert "cli" in path.parts or not packages(path) & {"click", "rich"}
