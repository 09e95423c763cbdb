"""`python -m infra.dev`: runs a local stage whose Lambdas get each source file as soon as it is saved.

A saved module of the Lambdas or of a collection's operations is put into their code directly. A change of anything
else, such as a template or a schema, is deployed. At the end the stage is deployed once more, so that it has what
its stacks say.
"""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from infra.cli.command_line import OneLineParser, add_collections_option, run
from infra.cli.progress import Progress
from infra.deploy import print_result
from infra.deployment.plan import Deployer
from infra.errors import OperatorError
from infra.packaging.package import APPS, build_folder
from infra.reloading.collections import PurityCheck, rebuilt_package
from infra.reloading.functions import AppFunctions
from infra.reloading.sources import Sources, changed_files
from infra.settings import LOCAL_STAGE, ROOT, Settings, collections_folder, read_settings
from infra.targets.target import EMBEDDED, find_target

_LOOK_EVERY = 0.15  # seconds
_SETTLES = 0.05  # seconds in which an editor may write several files


def main() -> int:
    """Run until Ctrl-C; return 130 then, or 1 after an operator's mistake."""
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
        self._build: Path = build_folder(settings.collections)
        self._apps: dict[str, AppFunctions] = {}
        self._purity = PurityCheck(settings.collections, self._build)
        self._is_ahead = False  # whether functions run what no deployment has put there

    def run(self) -> None:
        """Deploy, and apply each change, until Ctrl-C."""
        state = self._sources.read()
        print_result(self._deployer.deploy())
        self._read_functions()
        self._say("each source file that you save is applied; end this with Ctrl-C")
        try:
            while True:
                time.sleep(_LOOK_EVERY)
                self._tell_of_purity()
                found = self._sources.read()
                if found == state:
                    continue
                time.sleep(_SETTLES)
                found = self._sources.read()
                self._apply(changed_files(state, found))
                state = found
        finally:
            self._purity.end()
            if self._is_ahead:
                self._say("deploying what was applied ...")
                self._deploy()

    def _apply(self, changed: set[Path]) -> None:
        """Apply the changes; after a mistake in them, say so and wait for the next."""
        began = time.monotonic()
        names = ", ".join(sorted(path.name for path in changed))
        try:
            if not self._replace(changed):
                self._say(f"{names}: deploying ...")
                self._deploy()
        except OperatorError as error:
            self._deployer.progress.marked(str(error), "bold red")
        else:
            self._say(f"{names}: applied in {time.monotonic() - began:.1f} s")

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
        self._is_ahead = True  # before the first function changes, since Ctrl-C may come in between
        with ThreadPoolExecutor(len(self._apps)) as pool:
            for each in [pool.submit(self._apps[app].replace, entries[app] or {}, package) for app in entries]:
                each.result()
        if modules:
            self._purity.begin()
        return True

    def _tell_of_purity(self) -> None:
        problem = self._purity.problem()
        if problem is not None:
            self._deployer.progress.marked(f"{problem}\nthe stage runs it, and no deployment will", "bold red")

    def _deploy(self) -> None:
        self._deployer.deploy()
        self._read_functions()
        self._is_ahead = False

    def _read_functions(self) -> None:
        target, stage = self._deployer.target, self._deployer.stage
        self._apps = {app: AppFunctions(target, stage, app, self._build / app / "lambda.zip") for app in APPS}


if __name__ == "__main__":
    sys.exit(main())
