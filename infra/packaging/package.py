"""Builds both Lambdas: sources → `chalice package` → a reproducible zip and a plain CloudFormation template.

build/<app>/src            a copy of the app (infra/packaging/source_files.py), jobpipe and collections in vendor/
build/<app>/out            the output of `chalice package`, merged with infra/templates/<app>.merge.yaml
build/<app>/lambda.zip     the same files, sorted and without times, so that the same sources give the same bytes
build/<app>/lambda.cdx.json  its bill of materials (infra/packaging/bill_of_materials.py)
build/<app>/template.json  its template after the SAM transform
build/<app>/wheels         its wheels, whose hashes the lock names
build/wheels               the wheels that were downloaded, for later builds
build/<app>/built.json     hashes of all inputs, of the zip's content, and of each output file
build/collections          the folder of collections as the package jobpipe_collections (infra/collections/build.py)
build/folders/<hash>       the same files for a deployment with a folder of collections outside the checkout
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.cli.command_line import OneLineParser, add_collections_option, run
from infra.cli.file_lock import file_lock
from infra.cli.reasons import on_screen
from infra.collections.folder import CollectionSource, read_folder
from infra.collections.names import PACKAGE
from infra.errors import OperatorError
from infra.packaging import lambda_zip
from infra.packaging.source_files import app_files, package_files
from infra.settings import BUILD_DIR, COLLECTIONS, ROOT, collections_folder, tool_environment
from infra.templates import sources as templates
from jobpipe import __version__

APPS = {"api": "api_lambda", "worker": "worker_lambda"}
_BUILDERS = (
    "collections/backups.py",
    "collections/build.py",
    "collections/folder.py",
    "collections/guest.py",
    "collections/guests.py",
    "collections/modules.py",
    "collections/operations.py",
    "collections/settings_file.py",
    "environments/locked_requirements.py",
    "packaging/bill_of_materials.py",
    "packaging/distributions.py",
    "packaging/lambda_zip.py",
    "packaging/package.py",
    "packaging/source_files.py",
    "settings.py",
    "templates/gateway_responses.py",
    "templates/gateway_responses.yaml",
    "templates/sources.py",
)
PAGE_PARTS = {".html", ".css", ".js"}
"""The suffixes of the console's files, which an app's zip contains as one page."""
ASSEMBLED_PAGE = "chalicelib/console/assembled.html"
"""The name of that page in the zip."""
_ASSEMBLY = "chalicelib/console/assembly.py"  # builds that page, with tools that no zip contains
_SOURCE = "folder.txt"  # in each folder of build/folders: the path of the folder of collections
_OUTPUTS = ("lambda.zip", "lambda.cdx.json", "template.json")
_TOOLS_LOCK = ROOT / "requirements.lock"
_CHALICE = "import sys; from chalice.cli import main; sys.exit(main())"


@dataclass(frozen=True)
class Package:
    """The zip and the template of one app."""

    app: str
    zip_path: Path
    template_path: Path
    content_hash: str
    rebuilt: bool

    def template(self) -> templates.Template:
        """Return the template of the app's stack, as it is deployed."""
        return templates.without_notes(json.loads(self.template_path.read_text()))


def build_folder(collections: Path) -> Path:
    """Return the folder in which a deployment with this folder of collections is built.

    Each folder of collections has its own, so that simultaneous deployments cannot upload each other's zips. The
    build folders of folders that no longer exist are deleted.
    """
    if collections == COLLECTIONS:
        return BUILD_DIR
    places = BUILD_DIR / "folders"
    place = places / hashlib.sha256(str(collections).encode()).hexdigest()[:16]
    place.mkdir(parents=True, exist_ok=True)
    (place / _SOURCE).write_text(str(collections))
    for other in places.iterdir():
        with suppress(OSError):
            if not Path((other / _SOURCE).read_text()).exists():
                shutil.rmtree(other, ignore_errors=True)
    return place


def package_all(folder: Path = BUILD_DIR, collections: Path | None = None) -> dict[str, Package]:
    """Build both apps in parallel. An app whose inputs and outputs have not changed is not built again.

    Raise OperatorError, before anything is built, if the folder of collections is not valid.
    """
    collections = collections or collections_folder()
    with file_lock(folder / ".lock"), ThreadPoolExecutor(len(APPS)) as pool:
        sources = read_folder(collections)
        inputs = {app: input_hash(app, sources) for app in APPS}
        old = [app for app in APPS if not _is_built(folder / app, inputs[app])]
        if old:
            _prepare_collections(collections, folder / "collections")
        built = pool.map(lambda app: _package(app, folder / app, inputs[app], app in old), APPS)
        return dict(zip(APPS, built, strict=True))


def _prepare_collections(collections: Path, folder: Path) -> None:
    from infra.collections.build import prepare_package  # noqa: PLC0415 - only a build needs it

    prepare_package(collections, folder)


def _is_built(build: Path, inputs: str) -> bool:
    built = _built(build)
    return built.get("inputs") == inputs and built.get("outcome") == _output_hashes(build)


def _built(build: Path) -> dict[str, Any]:
    record = build / "built.json"
    built: dict[str, Any] = json.loads(record.read_text()) if record.exists() else {}
    return built


def _package(app: str, build: Path, inputs: str, rebuilt: bool) -> Package:
    built = _built(build)
    if rebuilt:
        shutil.rmtree(build, ignore_errors=True)
        content = _build_zip(app, build)
        template = templates.from_sam(templates.read_template(build / "out" / "sam.yaml"))
        (build / "template.json").write_text(json.dumps(template, indent=1, sort_keys=True) + "\n")
        built = {"inputs": inputs, "content": content, "outcome": _output_hashes(build)}
        (build / "built.json").write_text(json.dumps(built))  # last, so that an interrupted build is repeated
    return Package(app, build / "lambda.zip", build / "template.json", built["content"], rebuilt)


def _output_hashes(build: Path) -> dict[str, str]:
    paths = [build / name for name in _OUTPUTS]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if path.exists()}


def input_hash(app: str, collections: Iterable[CollectionSource]) -> str:
    """Return a hash of every file and version that a build depends on."""
    digest = hashlib.sha256(sys.version.encode())
    for source in collections:  # by content, since the path of the folder does not matter
        digest.update(f"{source.digest()}:".encode())
    for path in _inputs(app):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT)}:{len(content)}:".encode() + content)
    return digest.hexdigest()


def _inputs(app: str) -> Iterator[Path]:
    yield from app_files(ROOT / APPS[app])
    yield from package_files(ROOT / "jobpipe")
    infra = ROOT / "infra"
    yield from package_files(infra / "collections" / "schema")
    yield infra / "templates" / f"{app}.merge.yaml"
    yield from (infra / name for name in _BUILDERS)
    yield _TOOLS_LOCK  # Chalice, SAM, CycloneDX


def _build_zip(app: str, build: Path) -> str:
    """Write the zip and its bill of materials, and return the hash of the zip's content."""
    # Only a build needs these, and they take a while to import.
    from infra.packaging import bill_of_materials, distributions  # noqa: PLC0415

    built, final = build / "out" / "deployment.zip", build / "lambda.zip"
    _lay_out(app, build / "src", build.parent / "collections" / PACKAGE)
    wheels = distributions.fetch_wheels(
        ROOT / APPS[app] / "requirements.txt", _TOOLS_LOCK, build / "wheels", BUILD_DIR / "wheels"
    )
    # The sources are read before other people's code runs in their folder.
    ours = distributions.our_sources(build / "src", __version__, wheels)
    _run_chalice(app, build, distributions.only_from(build / "wheels"))
    owners = bill_of_materials.find_owners(built, [ours, *wheels])
    content = lambda_zip.rewrite(built, final)
    bill_of_materials.write_bill(app, final, owners, __version__)
    return content


def _lay_out(app: str, target: Path, collections: Path) -> None:
    source, shared = ROOT / APPS[app], ROOT / "jobpipe"
    copies = {path: target / path.relative_to(source) for path in app_files(source) if path != source / _ASSEMBLY}
    copies |= {path: target / "vendor" / "jobpipe" / path.relative_to(shared) for path in package_files(shared)}
    for path, copy in copies.items():
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".yaml":  # the Lambda reads it as JSON, without a YAML parser
            text = json.dumps(templates.read_template(path), separators=(",", ":"))
            copy.with_suffix(".json").write_text(text, encoding="utf-8")
        elif path.suffix not in PAGE_PARTS:
            shutil.copyfile(path, copy)
    if app == "api":
        # Only a build needs this, and the minifier takes a while to import.
        from api_lambda.chalicelib.console.assembly import assemble  # noqa: PLC0415

        (target / ASSEMBLED_PAGE).write_text(assemble(), encoding="utf-8")
    shutil.copytree(collections, target / "vendor" / PACKAGE)


def _run_chalice(app: str, build: Path, pip_settings: dict[str, str]) -> None:
    merge = ROOT / "infra" / "templates" / f"{app}.merge.yaml"
    command = [sys.executable, "-c", _CHALICE, "package", "--merge-template", str(merge), str(build / "out")]
    environment = tool_environment() | pip_settings
    done = subprocess.run(command, cwd=build / "src", env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        output = (done.stderr or done.stdout).strip()
        (build / "chalice.log").write_text(output + "\n")
        raise OperatorError(
            f"chalice cannot package {APPS[app]}: {on_screen(output.splitlines()[-1]) if output else 'no output'}"
            f" (see {build / 'chalice.log'})"
        )


def main() -> int:
    """Run the command."""
    parser = OneLineParser(prog="python -m infra.packaging.package", description="Builds both Lambdas' zips.")
    add_collections_option(parser)
    arguments = parser.parse_args()
    return run("package", lambda: _main(arguments))


def _main(arguments: argparse.Namespace) -> None:
    """Build both apps, print a summary, and write the other templates as they are deployed to AWS."""
    for package in package_all(collections=collections_folder(arguments.collections)).values():
        size = package.zip_path.stat().st_size / 1024
        state = "built" if package.rebuilt else "unchanged"
        print(f"{package.app:7} {state:9} {size:6.0f} KB  {package.content_hash[:16]}")
    others = {"foundation": templates.foundation_template("aws"), "operations": templates.operations_template()}
    for name, template in others.items():
        (BUILD_DIR / f"{name}.json").write_text(json.dumps(template, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
