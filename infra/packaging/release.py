"""`make dist`: checks the version of jobpipe-client, and builds its source distribution and its wheel."""

import argparse
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from infra.cli.command_line import OneLineParser, run
from infra.cli.reasons import on_screen
from infra.errors import OperatorError
from infra.settings import BUILD_DIR, ROOT, tool_environment
from jobpipe import __version__

DIST = BUILD_DIR / "dist"
CHANGELOG = ROOT / "CHANGELOG.md"
_SECTION = re.compile(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$", re.MULTILINE)
_BUILD = "import sys; from flit_core import buildapi; print(getattr(buildapi, 'build_' + sys.argv[1])(sys.argv[2]))"


def check_version(changelog: str, tag: str) -> None:
    """Raise OperatorError unless the changelog's newest release and the tag, if any, name this version."""
    sections = _SECTION.findall(changelog)
    if sections[:1] != [__version__]:
        newest = sections[0] if sections else "missing"
        raise OperatorError(
            f"the newest release in CHANGELOG.md is {newest}, and jobpipe/__init__.py has {__version__}"
        )
    if tag and tag != f"v{__version__}":
        raise OperatorError(f"the tag of release {__version__} is v{__version__}, not {on_screen(tag)}")


def build(folder: Path) -> list[Path]:
    """Build the source distribution, and the wheel from it, into an empty folder; return both files.

    Building the wheel from the source distribution shows that the latter is complete.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as unpacked:
        sdist = _build("sdist", ROOT, folder)
        with tarfile.open(sdist) as archive:
            archive.extractall(unpacked, filter="data")
        (source,) = Path(unpacked).iterdir()
        return [sdist, _build("wheel", source, folder)]


def _build(kind: str, source: Path, folder: Path) -> Path:
    done = subprocess.run(
        [sys.executable, "-c", _BUILD, kind, str(folder)],
        cwd=source,
        env=tool_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise OperatorError(f"the {kind} cannot be built: {on_screen(done.stderr.strip().splitlines()[-1])}")
    return folder / done.stdout.split()[-1]


def main() -> int:
    """Run the command."""
    parser = OneLineParser(prog="python -m infra.packaging.release", description=__doc__)
    parser.add_argument("--tag", default="", help="the release's tag in Git, such as v0.2.0, which is checked too")
    options = parser.parse_args()
    return run("make dist", lambda: _dist(options))


def _dist(options: argparse.Namespace) -> None:
    check_version(CHANGELOG.read_text(encoding="utf-8"), options.tag)
    for path in build(DIST):
        print(path)


if __name__ == "__main__":
    sys.exit(main())
