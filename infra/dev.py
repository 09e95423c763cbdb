"""`python -m infra.dev`: runs a local stage whose Lambdas get each source file as soon as it is saved.

A saved module of the Lambdas or of a collection's operations is put into the functions' code directly. A change of
anything else, such as a template or a schema, is deployed. Changes that cannot be applied are retried with the next
change. At the end the stage is deployed once more, so that it agrees with its stacks.
"""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from infra.cli.aws_errors import LIBRARY_ERRORS, describe
from infra.cli.command_line import OneLineParser, add_collections_option, run
from infra.cli.progress import Progress
from infra.collections.folder import read_folder
from infra.deploy import print_result
from infra.deployment.plan import Deployer
from infra.errors import OperatorError
from infra.packaging.package import APPS, build_folder
from infra.reloading.collections import PurityCheck, rebuilt_package
from infra.reloading.functions import AppFunctions
from infra.reloading.sources import Sources, changed_files
from infra.settings import LOCAL_STAGE, ROOT, Settings, collections_folder, read_settings
from infra.targets.target import EMBEDDED, find_target

_POLL_SECONDS = 0.15
_SETTLE_SECONDS = 0.05  # in which an editor may write several files


def main() -> int:
    """Run until Ctrl-C; return 130 after it, or 1 after an operator's mistake."""
    parser = OneLineParser(prog="python -m infra.dev", description=__doc__)
    add_collections_option(parser)
    parser.add_argument("--keep", action="store_true", help="start the emulator so that it keeps its data")
    arguments = parser.parse_args()
    return run("dev", lambda: _command(arguments))


def _command(arguments: argparse.Namespace) -> None:
    settings = replace(read_settings(), keep=arguments.keep)
    if arguments.collections:
        settings = replace(settings, collections=collections_folder(arguments.collections))
    target = find_target(EMBEDDED, LOCAL_STAGE, settings)
    if target is None:
        raise OperatorError("there is no emulator")
    deployer = Deployer(target, LOCAL_STAGE, settings, Progress(in_short=True), {})
    _Loop(deployer, settings).run()


class _Loop:
    """Watches the sources of one stage."""

    def __init__(self, deployer: Deployer, settings: Settings) -> None:
        self._deployer = deployer
        self._say = deployer.progress.say
        self._sources = Sources({app: ROOT / folder for app, folder in APPS.items()}, settings.collections)
        self._collections = settings.collections
        self._build: Path = build_folder(settings.collections)
        self._apps: dict[str, AppFunctions] = {}
        self._purity = PurityCheck(settings.collections, self._build)
        self._pool = ThreadPoolExecutor(len(APPS))
        self._pending: set[Path] = set()  # the changed files that are not applied yet
        self._is_ahead = False  # whether functions run code that was not deployed

    def run(self) -> None:
        """Deploy, and apply each change, until Ctrl-C."""
        state = self._sources.read()
        collections = read_folder(self._collections)
        print_result(self._deployer.deploy(), collections)
        self._read_functions()
        self._say("each source file that you save is applied; end this with Ctrl-C")
        try:
            while True:
                time.sleep(_POLL_SECONDS)
                self._report_impurity()
                found = self._sources.read()
                if found == state:
                    continue
                time.sleep(_SETTLE_SECONDS)
                found = self._sources.read()
                changed = changed_files(state, found)
                state = found
                if changed:  # a temporary file may be gone again
                    self._pending |= changed
                    self._apply()
        finally:
            self._purity.end()
            self._end()

    def _end(self) -> None:
        self._pool.shutdown()  # after Ctrl-C it may still change functions
        if not self._is_ahead:
            if self._pending:
                self._say(f"{self._names()}: not applied")
            return
        self._say("deploying the applied changes ...")
        try:
            self._deploy()
        except (OperatorError, *LIBRARY_ERRORS):
            self._mark("the stage still runs the applied changes; correct this error and run make deploy-local:")
            raise

    def _apply(self) -> None:
        """Apply the pending changes. If any of them cannot be applied, say why, and keep all for the next time."""
        began = time.monotonic()
        names = self._names()
        try:
            if not self._replace(self._pending):
                self._say(f"{names}: deploying ...")
                self._deploy()
        except (OperatorError, FileNotFoundError, *LIBRARY_ERRORS) as error:
            self._mark(_line_of(error))
            self._say(f"{names}: not applied; the next change is applied together with this")
        else:
            self._pending = set()
            self._say(f"{names}: applied in {time.monotonic() - began:.1f} s")

    def _names(self) -> str:
        return ", ".join(sorted(path.name for path in self._pending))

    def _mark(self, line: str) -> None:
        self._deployer.progress.marked(line, "bold red")

    def _replace(self, changed: set[Path]) -> bool:
        """Put the files into the functions' code; return False if they need a deployment."""
        modules = {path for path in changed if self._sources.is_module_of_collection(path)}
        entries = {app: self._sources.entries(app, changed - modules) for app in self._apps}
        if any(each is None for each in entries.values()):
            return False
        package = None
        if modules:
            manifest = self._apps["api"].manifest
            package = rebuilt_package(self._sources.collections, self._build, manifest)
            if package is None:
                return False
        # Everything is read and checked before any function changes, so that all run the same version of jobpipe/.
        files = {app: self._apps[app].with_saved(entries[app] or {}, package) for app in entries}
        self._is_ahead = True  # before the first function changes, since Ctrl-C may come in between
        self._put(files)
        if modules:
            self._purity.begin()
        return True

    def _put(self, files: dict[str, dict[str, bytes]]) -> None:
        puts = {app: self._pool.submit(self._apps[app].put, files[app]) for app in files}
        errors = {app: error for app, each in puts.items() if (error := each.exception()) is not None}
        for app, error in errors.items():
            if not isinstance(error, LIBRARY_ERRORS):
                raise error
            raise OperatorError(f"{describe(error)}; the functions of the {app} may run other code than the rest")

    def _report_impurity(self) -> None:
        problem = self._purity.problem()
        if problem is not None:
            self._mark(f"{problem}\nthe stage runs this operation, but a deployment will refuse it")

    def _deploy(self) -> None:
        before = self._code()
        try:
            self._deployer.deploy()
        except (OperatorError, FileNotFoundError, *LIBRARY_ERRORS):
            with suppress(*LIBRARY_ERRORS):
                if self._code() != before:
                    self._is_ahead = True
                    self._mark("the deployment ended halfway: the functions may run different versions of jobpipe/")
            for app in self._apps.values():
                app.distrust()
            raise
        self._read_functions()
        self._is_ahead = False

    def _code(self) -> dict[str, str]:
        return {name: digest for app in self._apps.values() for name, digest in app.code().items()}

    def _read_functions(self) -> None:
        target, stage = self._deployer.target, self._deployer.stage
        self._apps = {app: AppFunctions(target, stage, app, self._build / app / "lambda.zip") for app in APPS}


def _line_of(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{error.filename} was deleted while it was being read"
    return describe(error) if isinstance(error, LIBRARY_ERRORS) else str(error)


if __name__ == "__main__":
    sys.exit(main())
