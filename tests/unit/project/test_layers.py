"""Imports have one direction: the apps import jobpipe, and the domain imports neither AWS nor a web framework."""

from __future__ import annotations

import ast
import graphlib
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MOST_MODULES = 20
# The folders of jobpipe that each folder may import.
JOBPIPE_FOLDERS: dict[str, set[str]] = {
    "domain": set(),
    "runtime": {"domain"},
    "stores": {"domain", "runtime"},
}
# The folders inside those, lowest first: each may import those before it.
JOBPIPE_INNER_FOLDERS: dict[str, tuple[str, ...]] = {
    "domain": ("documents", "commands", "jobs", "events"),
    "stores": ("stage", "queues", "jobs", "documents", "events"),
}
# The folders of the API's chalicelib that each folder may import. Endpoints import contract and console late.
API_FOLDERS: dict[str, set[str]] = {
    "http": set(),
    "console": {"http"},
    "submitting": {"http"},
    "contract": {"http"},
    "endpoints": {"http", "submitting", "contract", "console"},
}

# The folders of infra, lowest first: each may import those before it. infra/*.py and a __main__.py are commands.
INFRA_FOLDERS = (
    *(
        "cli",
        "stage",
        "templates",
        "environments",
        "collections",
        "packaging",
        "emulator",
        "targets",
        "stacks",
        "keys",
        "deployment",
        "reloading",
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


def test_every_module_of_jobpipe_is_in_a_folder() -> None:
    """Only operation.py is beside the folders, since users import it."""
    beside = [path.name for path in modules("jobpipe") if path.parent.name == "jobpipe"]
    assert beside == ["operation.py"]
    folders = {path.parent.relative_to(ROOT / "jobpipe").as_posix() for path in modules("jobpipe")}
    inner = {f"{folder}/{inner}" for folder, order in JOBPIPE_INNER_FOLDERS.items() for inner in order}
    assert folders == {".", *JOBPIPE_FOLDERS, *inner}


@pytest.mark.parametrize("folder", JOBPIPE_INNER_FOLDERS)
def test_the_inner_folders_of_jobpipe_import_one_way(folder: str) -> None:
    order = JOBPIPE_INNER_FOLDERS[folder]
    for number, inner in enumerate(order):
        for path in modules(f"jobpipe/{folder}/{inner}"):
            found = {name.split(".")[2] for name in imports(path) if name.startswith(f"jobpipe.{folder}.")}
            assert not found & set(order[number + 1 :]), path


@pytest.mark.parametrize("tree", ["api_lambda", "worker_lambda", "jobpipe", "jobpipe_client", "infra", "scripts"])
def test_no_folder_has_more_modules_than_a_reader_sees_at_once(tree: str) -> None:
    beside = Counter(path.parent.relative_to(ROOT).as_posix() for path in modules(tree))
    assert {folder: number for folder, number in beside.items() if number > MOST_MODULES} == {}


@pytest.mark.parametrize("tree", ["tests/unit", "tests/infra"])
def test_tests_are_in_the_folder_of_what_they_test(tree: str) -> None:
    assert [path.name for path in (ROOT / tree).glob("test_*.py")] == []


def test_the_rules_of_documents_know_nothing_of_commands_messages_and_stores() -> None:
    known = {"documents", "errors", "job_ref", "json_text", "violations"}
    for path in modules("jobpipe/domain/documents"):
        found = [name.split(".") for name in imports(path) if name.startswith("jobpipe.domain.")]
        assert {each[2] for each in found} <= known, path


def test_what_users_import_imports_nothing_of_jobpipe() -> None:
    assert not {name for name in imports(ROOT / "jobpipe/operation.py") if name.startswith("jobpipe")}


@pytest.mark.parametrize("folder", JOBPIPE_FOLDERS)
def test_the_folders_of_jobpipe_import_one_way(folder: str) -> None:
    for path in modules(f"jobpipe/{folder}"):
        others = {name.split(".")[1] for name in imports(path) if name.startswith("jobpipe.")}
        assert others <= {folder, "__version__", "operation", *JOBPIPE_FOLDERS[folder]}, path


def test_the_domain_does_not_import_aws() -> None:
    for path in modules("jobpipe/domain"):
        assert not packages(path) & {"boto3", "botocore", "chalice"}, path


@pytest.mark.parametrize("path", modules("jobpipe"), ids=lambda path: path.stem)
def test_jobpipe_imports_neither_app(path: Path) -> None:
    assert not packages(path) & {"chalice", "chalicelib", "api_lambda", "worker_lambda", "infra", "jobpipe_client"}


@pytest.mark.parametrize("folder", API_FOLDERS)
def test_the_folders_of_the_api_import_one_way(folder: str) -> None:
    for path in modules(f"api_lambda/chalicelib/{folder}"):
        tree = ast.parse(path.read_text())
        parents = [
            node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 2
        ]
        found = {module.split(".")[0] for module in parents}
        assert found <= {"services", "webhook_services", *API_FOLDERS[folder]}, path


@pytest.mark.parametrize("folder", INFRA_FOLDERS)
def test_the_folders_of_infra_import_one_way(folder: str) -> None:
    allowed = set(INFRA_FOLDERS[: INFRA_FOLDERS.index(folder) + 1]) | {"errors", "settings"}
    for path in modules(f"infra/{folder}"):
        found = {name.split(".")[1] for name in imports(path) if name.startswith("infra.")}
        assert found <= allowed or path.name == "__main__.py", path


def test_every_module_of_infra_is_a_command_or_in_a_folder() -> None:
    commands = {path.stem for path in (ROOT / "infra").glob("[!_]*.py")}
    assert commands == {"deploy", "dev", "errors", "local", "logs", "make_values", "pause", "settings"}
    folders = {
        path.relative_to(ROOT / "infra").parts[0] for path in modules("infra") if path.parent.name != "infra"
    }
    assert folders == set(INFRA_FOLDERS)


@pytest.mark.parametrize("app", ["api_lambda", "worker_lambda"])
def test_the_apps_import_neither_each_other_nor_aws(app: str) -> None:
    for path in modules(f"{app}/chalicelib"):
        assert not packages(path) & {"boto3", "botocore", "api_lambda", "worker_lambda", "infra", "jobpipe_client"}
        # Chalice stays at the edge: app.py, and the one module that binds routes to it.
        assert "chalice" not in packages(path) or path.stem == "application"


@pytest.mark.parametrize("path", [*modules("jobpipe"), *modules("api_lambda"), *modules("worker_lambda")], ids=str)
def test_only_settings_are_read_from_the_environment(path: Path) -> None:
    allowed = {"app.py", "services.py"}  # they pass os.environ to Settings
    allowed |= {"metrics.py", "telemetry.py"}  # for the service, the stage and the trace in lines
    assert "os" not in imports(path) or path.name in allowed


CONNECTION_MODULES = {
    "requests": {"jobpipe_client/environment.py"},  # others import only its errors and answers
    "boto3": {"infra/targets/boto_sessions.py"},
    "botocore": {"infra/targets/boto_sessions.py", "jobpipe/runtime/aws.py"},
}
"""The modules that create sessions, clients and pools, and decide what these read from the environment."""
CONNECTION = re.compile(
    r"\b(requests|boto3|botocore|urllib3)\.(?:session\.)?(?:Session|client|resource|get|post|put|patch|delete|head|request"
    r"|PoolManager|ProxyManager)\("
)


def test_connections_are_made_only_by_modules_that_handle_the_environment() -> None:
    found = {
        (match.group(1), path.relative_to(ROOT).as_posix())
        for folder in ("jobpipe", "jobpipe_client", "infra", "scripts", "api_lambda", "worker_lambda")
        for path in (ROOT / folder).rglob("*.py")
        for match in CONNECTION.finditer(path.read_text())
    }
    assert found == {(library, path) for library, paths in CONNECTION_MODULES.items() for path in paths}
    for folder in ("jobpipe_client", "infra", "scripts"):
        for path in (ROOT / folder).rglob("*.py"):
            assert "urllib.request" not in imports(path), path


def test_operators_programs_do_not_fork() -> None:
    """A fork would share open connections of boto3 and buffered files."""
    for folder in ("infra", "scripts", "jobpipe_client", "jobpipe", "api_lambda", "worker_lambda"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text()
            spawned = "ProcessPoolExecutor(" in text and 'mp_context=get_context("spawn")' in text
            assert spawned or not {"multiprocessing", "ProcessPoolExecutor"} & set(re.findall(r"\w+", text)), path
            assert not re.search(r"\bos\.(fork|forkpty)\(|\bpty\.fork\(", text), path


# The modules and folders of the client, lowest first: each may import those before it.
CLIENT_LAYERS = (
    *(
        "json_text",
        "problem",
        "exceptions",
        "models",
        "batch_models",
        "webhook_models",
        "calls",
        "environment",
        "settings",
        "http.http_errors",
    ),
    *(
        "http.responses",
        "http.sessions",
        "http.transport",
        "catalogue",
        "pages",
        "webhooks",
        "waiting",
        "many",
        "sync",
    ),
    *("sync_collection", "collection", "client"),
    *("cli.output.escaping", "cli.exits", "cli.files", "cli.schemas", "cli.output", "cli.command"),
    *("cli.polling", "cli.times", "cli.pace"),
    "cli.collections",
    "cli.fields",
    *("cli.importing.rules", "cli.importing.reading", "cli.importing", "cli.watching", "cli.commands", "cli.app"),
)


def client_layer(module: str) -> int:
    """Return the layer of a module, or of a name in one."""
    names = [name for name in CLIENT_LAYERS if f"{module}.".startswith(f"jobpipe_client.{name}.")]
    return CLIENT_LAYERS.index(max(names, key=len))


@pytest.mark.parametrize("path", modules("jobpipe_client"), ids=lambda path: path.stem)
def test_the_modules_of_the_client_import_one_way(path: Path) -> None:
    if path.name == "__main__.py":
        return
    own = client_layer(".".join(path.relative_to(ROOT).with_suffix("").parts))
    imported = {name for name in imports(path) if name.startswith("jobpipe_client.")}
    imported -= {"jobpipe_client.cli", "jobpipe_client.http", "jobpipe_client.__version__"}
    assert {name for name in imported if client_layer(name) > own} == set()


def test_no_modules_of_the_client_import_each_other() -> None:
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in modules("jobpipe_client")}
    graphlib.TopologicalSorter({name: imports(path) & names.keys() for name, path in names.items()}).prepare()


def test_the_client_imports_no_other_package() -> None:
    for path in (ROOT / "jobpipe_client").rglob("*.py"):
        assert not packages(path) & {"jobpipe", "infra", "scripts", "boto3", "chalice"}
        # click and rich come with the command line only.
        assert "cli" in path.parts or not packages(path) & {"click", "rich"}


# The packages of scripts that each package may import.
SCRIPTS: dict[str, set[str]] = {
    "markdown": set(),
    "stage": set(),
    "audit": {"stage"},
    "check": {"stage"},
    "demo": {"stage"},
    "doctor": {"stage"},
    "parked": {"stage"},
    "redrive": {"stage", "audit"},
    "reindex": {"stage"},
    "webhooks": {"stage"},
    "load": set(),
    "prove": {"stage", "audit", "parked", "load", "models"},
    "models": {"markdown"},
    "reference": {"markdown"},
}


@pytest.mark.parametrize("package", SCRIPTS)
def test_scripts_share_only_the_stage_and_the_check_of_rows(package: str) -> None:
    for path in [each for each in modules("scripts") if package in each.relative_to(ROOT).with_suffix("").parts]:
        found = {name for name in imports(path) if name.startswith("scripts.")}
        assert {name.split(".")[1] for name in found} <= {package, *SCRIPTS[package]}, path
        if package == "redrive":
            used = {name.split(".")[2] for name in found if name.startswith("scripts.audit.")}
            assert used <= {"rows", "attributes"}, path


def test_every_script_is_in_a_package_and_no_deployed_module_imports_one() -> None:
    assert {path.relative_to(ROOT / "scripts").with_suffix("").parts[0] for path in modules("scripts")} == set(
        SCRIPTS
    )
    for folder in ("jobpipe", "api_lambda", "worker_lambda", "infra", "jobpipe_client"):
        for path in modules(folder):
            assert "scripts" not in packages(path), path
