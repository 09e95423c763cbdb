"""`python -m infra.local start|stop|status|logs|localstack|test-compose`: the emulators on this machine."""

import shutil
import sys
from collections.abc import Callable

from infra.cli.command_line import OneLineParser, run
from infra.emulator import Emulator
from infra.errors import OperatorError
from infra.settings import LOCAL_STAGE, Settings, read_settings
from infra.targets import compose
from infra.targets.target import LOCALSTACK, find_target


def main() -> int:
    """Run one command."""
    commands: dict[str, Callable[[Settings], int | None]] = {
        "start": _start,
        "stop": _stop,
        "status": _status,
        "logs": _logs,
        "localstack": _start_localstack,
        "test-compose": compose.run_tests,
    }
    parser = OneLineParser(prog="python -m infra.local", description="Start and stop emulators on this machine.")
    parser.add_argument("command", choices=commands)
    command: str = parser.parse_args().command
    return run(command, lambda: commands[command](read_settings()))


def _embedded(settings: Settings) -> Emulator:
    return Emulator(settings.state_dir, settings.port)


def _start(settings: Settings) -> None:
    emulator = _embedded(settings)
    started = emulator.start()
    print(f"embedded emulator {'started' if started else 'already runs'} at {emulator.endpoint_url}")


def _stop(settings: Settings) -> None:
    emulator = _embedded(settings)
    running = emulator.status()
    stopped = emulator.stop()
    kept = f"; its data is kept in {emulator.kept_dir}" if running and running.keeps else ""
    print(f"embedded emulator stopped{kept}" if stopped else "embedded emulator was not running")
    if compose.stop(settings):
        print("LocalStack stopped")


def _status(settings: Settings) -> int:
    running = _embedded(settings).status()
    if running:
        print(f"embedded emulator runs on port {running.port}, process {running.pid}")
        return 0
    print("embedded emulator is not running")
    return 1


def _logs(settings: Settings) -> None:
    log_file = _embedded(settings).log_file
    if not log_file.exists():
        raise OperatorError("there is no log: the embedded emulator has not been started")
    with log_file.open(errors="replace") as log:
        shutil.copyfileobj(log, sys.stdout)


def _start_localstack(settings: Settings) -> int:
    target = find_target(LOCALSTACK, LOCAL_STAGE, settings)
    if target:
        print(f"LocalStack is healthy at {target.endpoint_url}")
    return 0 if target else 1


if __name__ == "__main__":
    sys.exit(main())
