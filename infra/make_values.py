"""`python -m infra.make_values MODULE ARGUMENT...`: runs a module with the values that operators gave to make.

make and the shell see only the names of variables. The values come from the environment and are used unchanged:

    --since=@SINCE         --since=VALUE, if the variable is not empty
    --reason=@each:REASON  --reason=WORD for each word of the value; quotes hold words together, nothing is expanded
    --json=@yes:JSON       --json, if the value means yes
    @words:PYTEST_ARGS     each word of the value
    @FILE                  the value, which is required

Every other argument is passed on unchanged. A mistake, such as a variable DRYRUN where the Makefile has DRY_RUN, is
reported in one line with exit status 2, and the module does not run.
"""

import difflib
import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from infra.errors import OperatorError

_REFERENCE = re.compile(r"(?:(?P<option>--[a-z-]+)=)?@(?:(?P<kind>each|yes|words):)?(?P<name>[A-Za-z_]+)")
_BOOLEANS = {"yes": True, "y": True, "true": True, "1": True, "no": False, "n": False, "false": False, "0": False}
_IN_A_RECIPE = re.compile(r"@(?:[a-z]+:)?([A-Za-z_]+)")
_IN_THE_SHELL = re.compile(r"\$\$\{?([A-Z_]{3,})")
_SIMILARITY = 0.85  # from 0 to 1; two names that are at least this similar count as a misspelling
_USAGE_ERROR = 2


def arguments(recipe: Sequence[str], given: Mapping[str, str]) -> list[str]:
    """Return the recipe's arguments with the values inserted; raise OperatorError if a value or name is invalid."""
    _check_names(given.get("MAKE_GIVEN", "").split(), Path("Makefile").read_text(encoding="utf-8"))
    return [each for argument in recipe for each in _with_value(argument, given)]


def _check_names(given: Sequence[str], makefile: str) -> None:
    """Raise OperatorError if a name is no variable of the Makefile but resembles one."""
    known = {*_IN_A_RECIPE.findall(makefile), *_IN_THE_SHELL.findall(makefile)}
    by_letters = {_letters(name): name for name in known}
    for name in given:
        if name not in known:
            similar = difflib.get_close_matches(_letters(name), by_letters, n=1, cutoff=_SIMILARITY)
            if similar:
                raise OperatorError(f"there is no variable {name}; did you mean {by_letters[similar[0]]}?")


def _letters(name: str) -> str:
    return name.replace("_", "").upper()


def _with_value(argument: str, given: Mapping[str, str]) -> Iterator[str]:
    reference = _REFERENCE.fullmatch(argument)
    if reference is None:
        yield argument
        return
    option, kind, name = reference["option"], reference["kind"], reference["name"]
    value = given.get(name, "")
    if name == "STAGE" and not value:
        value = given.get("JOBPIPE_STAGE") or "local"
    if kind == "yes":
        if _is_yes(name, value):
            yield option
    elif kind is not None:
        yield from (f"{option}={word}" if option else word for word in _words(name, value))
    elif value:
        yield f"{option}={value}" if option else value
    elif option is None:
        raise OperatorError(f"{name}=... is needed")


def _is_yes(name: str, value: str) -> bool:
    # Any other word is an error and does not mean no: DRY_RUN=ja must not be ignored.
    if not value.strip():
        return False
    try:
        return _BOOLEANS[value.strip().lower()]
    except KeyError:
        raise OperatorError(f"{name}: {value!r} is neither yes nor no") from None


def _words(name: str, value: str) -> list[str]:
    try:
        return shlex.split(value)
    except ValueError as error:
        raise OperatorError(f"{name}: {value!r} cannot be split into words: {error}") from None


def main() -> NoReturn:
    """Replace this process by the module's."""
    try:
        module, *recipe = sys.argv[1:]
        words = arguments(recipe, os.environ)
    except OperatorError as mistake:
        print(f"make: {mistake}", file=sys.stderr)
        sys.exit(_USAGE_ERROR)
    os.execv(sys.executable, [sys.executable, "-m", module, *words])  # noqa: S606  # without a shell, on purpose


if __name__ == "__main__":
    main()
