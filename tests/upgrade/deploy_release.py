"""Deploys the release in the working directory, which may not be that of this file, onto an embedded emulator.

    python deploy_release.py PORT STATE_DIR STAGE [FOLDER OF COLLECTIONS]

The stage keeps its resources as on AWS, which `make deploy-local` does not.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path.cwd()))


def main() -> None:
    """Deploy by the modules that the release has."""
    port, state_dir, stage, *collections = sys.argv[1:]
    given: dict[str, Any] = {"stage": stage, "port": int(port), "endpoint_url": None, "state_dir": Path(state_dir)}
    given |= {"collections": Path(collections[0])} if collections else {}
    settings = import_module("infra.settings").Settings(**given)
    if Path("infra/deployment.py").exists():  # 10ff001
        target = target_of("infra.targets", settings)
        deployer = import_module("infra.deployment").Deployer
        progress = import_module("infra.progress").Progress()
        deployer(target, stage, settings, progress, {}, allow_replacement=True).up()
        return
    target = target_of("infra.targets.target", settings)
    deployer = import_module("infra.deployment.plan").Deployer
    progress = import_module("infra.cli.progress").Progress()
    deployer(target, stage, settings, progress, {}, allow_data_loss=True).deploy()


def target_of(module: str, settings: Any) -> Any:
    """Return the emulator as a target; only its local stage may be named."""
    targets = import_module(module)
    return targets.find_target(targets.EMBEDDED, "local", settings, start=False)


if __name__ == "__main__":
    main()
