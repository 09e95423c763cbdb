"""`python -m infra.emulator start|stop|status|logs`."""

import shutil
import sys

from infra.cli.command_line import OneLineParser, run
from infra.emulator import Emulator
from infra.errors import OperatorError
from infra.settings import Settings, read_settings


def main() -> int:
    """Runs one command."""
    parser = OneLineParser(prog="python -m infra.emulator", description="The embedded emulator.")
    parser.add_argument("command", choices=["start", "stop", "status", "logs"])
    command: str = parser.parse_args().command
    return run("emulator", lambda: _run(command, read_settings()))


def _run(command: str, settings: Settings) -> int:
    emulator = Emulator(settings.state_dir, settings.port)
    if command == "start":
        started = emulator.start()
        print(f"emulator {'started' if started else 'already runs'} at {emulator.endpoint_url}")
    elif command == "stop":
        print("emulator stopped" if emulator.stop() else "emulator did not run")
    elif command == "status":
        running = emulator.status()
        print(
            f"emulator runs on port {running.port}, process {running.pid}" if running else "emulator does not run"
        )
        return 0 if running else 1
    elif emulator.log_file.exists():
        with emulator.log_file.open(errors="replace") as log:
            shutil.copyfileobj(log, sys.stdout)
    else:
        raise OperatorError("it has not run yet, so there is no log")
    return 0


if __name__ == "__main__":
    sys.exit(main())
