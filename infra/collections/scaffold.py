"""`make new-collection NAME=orders`: writes a small working collection to start with.

The collection is written into the folder of collections (COLLECTIONS), which is made if it does not exist. Nothing
is overwritten.
"""

import keyword
import re
import shlex
import sys
from pathlib import Path

from infra.cli.command_line import OneLineParser, add_collections_option, run
from infra.collections.names import BUILT_IN, why_no_collection
from infra.errors import OperatorError
from infra.settings import COLLECTIONS, ROOT, collections_folder

TEMPLATES = Path(__file__).with_name("new_collection")
FILES = ("collection.toml", "schema.json", "operations.py", "test_operations.py")
_TAKEN = frozenset({"at", "note", "operation", "operations", "refused", "close", "closed"})
"""Words that cannot be the document's name in the templates."""


def write_collection(folder: Path, name: str) -> Path:
    """Write folder/name, and return it; raise OperatorError if it exists, or if the name is not valid."""
    why = why_no_collection(name) or ("is built in" if name == BUILT_IN else None)
    if why:
        raise OperatorError(f"{name} {why}")
    if folder.exists() and not folder.is_dir():
        raise OperatorError(f"{folder} is not a folder (COLLECTIONS)")
    target = folder / name
    if target.exists() or target.is_symlink():
        raise OperatorError(f"{target} already exists, and is not changed")
    words = {"NAME": name, "TITLE": _title(name), "ONE": _one(name)}
    texts = {file: _fill((TEMPLATES / f"{file}.txt").read_text(encoding="utf-8"), words) for file in FILES}
    target.mkdir(parents=True)
    for file, text in texts.items():
        (target / file).write_text(text, encoding="utf-8")
    return target


def _fill(text: str, words: dict[str, str]) -> str:
    return re.sub(r"@([A-Z]+)@", lambda match: words[match[1]], text)


def _title(name: str) -> str:
    """Return a title such as `Line item` for line-items, which the user may correct."""
    words = name.replace("-", " ").strip()
    return _singular(words).capitalize() or name


def _one(name: str) -> str:
    """Return a name for a parameter: the last word of the title."""
    word = re.sub(r"[^a-z0-9_]", "", _singular(name.rstrip("-").rpartition("-")[2]))
    return word if word.isidentifier() and word not in _TAKEN and not keyword.iskeyword(word) else "document"


def _singular(words: str) -> str:
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("ss", "ss"), ("us", "us"), ("s", "")):
        if words.endswith(ending) and len(words) > len(ending) + 1:
            return words.removesuffix(ending) + instead
    return words


def main() -> int:
    """Run the command."""
    parser = OneLineParser(prog="python -m infra.collections.new-collection", description="Writes a collection.")
    parser.add_argument("name")
    add_collections_option(parser)
    arguments = parser.parse_args()
    return run("new-collection", lambda: _main(collections_folder(arguments.collections), arguments.name))


def _main(folder: Path, name: str) -> None:
    written = write_collection(folder, name)
    given = "" if folder == COLLECTIONS else f" COLLECTIONS={shlex.quote(str(folder))}"
    shown = written.relative_to(ROOT) if written.is_relative_to(ROOT) else written
    print(f"{shown}: {', '.join(FILES)}")
    print(f"test it:   .venv/bin/python -m pytest {shlex.quote(str(shown))}")
    print(f"deploy it: make deploy-local{given}")


if __name__ == "__main__":
    sys.exit(main())
