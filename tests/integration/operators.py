"""Run the operators' commands on the tests' stage, each in its own process."""

from __future__ import annotations

import sys
from pathlib import Path

from infra.stage.stage_file import write_deployment
from tests.helpers import commands
from tests.helpers.deployed import Stage


class Operator:
    """An operator whose checkout has deployed the stage."""

    def __init__(self, stage: Stage, state_dir: Path) -> None:
        write_deployment(state_dir, stage.deployment)
        self.environment = commands.clean_environment(JOBPIPE_STATE_DIR=str(state_dir), COLUMNS="200")
        self.stage = stage.deployment.stage

    def run(self, script: str, *arguments: str) -> commands.Done:
        command = (sys.executable, "-m", f"scripts.{script}", "--stage", self.stage, *arguments)
        return commands.run(*command, env=self.environment)

    def output_of(self, script: str, *arguments: str) -> str:
        """Run a command that must succeed, and return its output."""
        done = self.run(script, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
