"""`python -m infra.make_values MODULE ARGUMENT...`: runs a module with the values that operators gave to make.

make and the shell see the names of variables alone; their values come by the environment and are taken as they are:

    --since=@SINCE         --since=VALUE, if the variable is not empty
    --reason=@each:REASON  --reason=WORD for each word of the value; quotes hold words together, nothing is expanded
    --json=@yes:JSON       --json, if the value says yes
    @words:PYTEST_ARGS     each word of the value
    @FILE                  the value, which must be there

Every other argument is passed on as it stands. A mistake is one line and the exit status 2, and nothing runs.
"""

import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import NoReturn

from infra.errors import OperatorError

_TAKEN = re.compile(r"(?:(?P<option>--[a-z-]+)=)?@(?:(?P<kind>each|yes|words):)?(?P<name>[A-Za-z_]+)")
_ANSWERS = {"yes": True, "y": True, "true": True, "1": True, "no": False, "n": False, "false": False, "0": False}
_MISUSED = 2


def arguments(recipe: Sequence[str], given: Mapping[str, str]) -> list[str]:
    """The recipe's arguments with the values in them; OperatorError if one of them cannot be meant."""
    return [each for argument in recipe for each in _with_value(argument, given)]


def _with_value(argument: str, given: Mapping[str, str]) -> Iterator[str]:
    taken = _TAKEN.fullmatch(argument)
    if taken is None:
        yield argument
        return
    option, kind, name = taken["option"], taken["kind"], taken["name"]
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
    # A word that is neither is a mistake, and no "no": DRY_RUN=ja must not be taken for nothing.
    if not value.strip():
        return False
    try:
        return _ANSWERS[value.strip()]
    except KeyError:
        raise OperatorError(f"{name}: {value!r} is neither yes nor no") from None


def _words(name: str, value: str) -> list[str]:
    try:
        return shlex.split(value)
    except ValueError as error:
        raise OperatorError(f"{name}: {value!r} cannot be split into words: {error}") from None


def main() -> NoReturn:
    """Becomes the program: its process, its terminal, its exit status."""
    try:
        module, *recipe = sys.argv[1:]
        words = arguments(recipe, os.environ)
    except OperatorError as mistake:
        print(f"make: {mistake}", file=sys.stderr)
        sys.exit(_MISUSED)
    os.execv(sys.executable, [sys.executable, "-m", module, *words])  # noqa: S606  # no shell is what is wanted


if __name__ == "__main__":
    main()
