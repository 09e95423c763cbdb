# ruff: noqa: PLC0415, I001 - which modules there are depends on the release
"""Deploys the release in the working directory, which may not be that of this file, onto an embedded emulator.

    python deploy_release.py PORT STATE_DIR STAGE [FOLDER OF COLLECTIONS]

The stage keeps its resources as on AWS, which `make deploy-local` does not.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path.cwd()))


def main() -> None:
    """Deploy."""
    port, state_dir, stage, *collections = sys.argv[1:]
    given = {"stage": stage, "port": int(port), "endpoint_url": None, "state_dir": Path(state_dir)}
    try:
        from infra.deployment.plan import Deployer
    except ModuleNotFoundError:
        deploy_old(stage, given)
        return
    from infra.cli.progress import Progress
    from infra.settings import Settings
    from infra.targets.target import EMBEDDED, find_target

    settings = Settings(**given, **({"collections": Path(collections[0])} if collections else {}))
    target = find_target(EMBEDDED, "local", settings, start=False)
    Deployer(target, stage, settings, Progress(), {}, allow_loss=True).deploy()


def deploy_old(stage: str, given: dict) -> None:  # type: ignore[type-arg]
    """Deploy by the modules of release 10ff001."""
    from infra.deployment import Deployer  # type: ignore[attr-defined]
    from infra.progress import Progress  # type: ignore[import-not-found]
    from infra.settings import Settings
    from infra.targets import EMBEDDED, find_target  # type: ignore[attr-defined]

    settings = Settings(**given)
    target = find_target(EMBEDDED, "local", settings, start=False)
    Deployer(target, stage, settings, Progress(), {}, allow_replacement=True).up()


if __name__ == "__main__":
    main()
