"""An embedded emulator for one test file, on a free port."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.emulator.server import running_emulator
from infra.settings import LOCAL_STAGE, Settings
from infra.targets.target import EMBEDDED, Target, find_target


@contextmanager
def embedded(state_dir: Path) -> Iterator[tuple[Target, Settings]]:
    """Run an emulator during the block; yield its target and the settings that select it."""
    with running_emulator(state_dir) as emulator:
        settings = Settings(stage=LOCAL_STAGE, port=emulator.port, endpoint_url=None, state_dir=state_dir)
        target = find_target(EMBEDDED, LOCAL_STAGE, settings, start=False)
        assert target is not None
        yield target, settings
