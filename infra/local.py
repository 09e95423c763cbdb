"""`python -m infra.local localstack|stop|test-compose`: what runs on this machine for development."""

import sys

from infra.cli.command_line import OneLineParser, run
from infra.emulator import Emulator
from infra.settings import LOCAL_STAGE, Settings, read_settings
from infra.targets import compose
from infra.targets.target import LOCALSTACK, find_target


def main() -> int:
    """Runs one command."""
    parser = OneLineParser(prog="python -m infra.local", description="Emulators on this machine.")
    parser.add_argument("command", choices=["localstack", "stop", "test-compose"])
    command: str = parser.parse_args().command
    commands = {"localstack": _localstack, "stop": _stop, "test-compose": compose.run_tests}
    return run(command, lambda: commands[command](read_settings()))


def _localstack(settings: Settings) -> int:
    target = find_target(LOCALSTACK, LOCAL_STAGE, settings)
    if target:
        print(f"LocalStack is healthy at {target.endpoint_url}")
    return 0 if target else 1


def _stop(settings: Settings) -> int:
    embedded = Emulator(settings.state_dir, settings.port).stop()
    print("embedded emulator stopped" if embedded else "embedded emulator did not run")
    if compose.stop(settings):
        print("LocalStack stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
