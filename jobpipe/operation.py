"""What the operations.py of a collection imports: `operation`, `Refused` and `Event`.

    from jobpipe.operation import Refused, operation

    @operation(takes={"carrier": {"type": "string", "minLength": 1}}, optional={"note": {"type": "string"}})
    def ship(order, carrier, note=None, *, at):
        '''Ship a paid order.'''
        if order["status"] != "paid":
            raise Refused("not-paid", "Only a paid order can be shipped.")
        return {**order, "status": "shipped", "carrier": carrier, "shipped_at": at}

An operation is a pure function: the same document, members and `at` give the same answer, so that every attempt of
a job comes to the same result. docs/reference/operations.md has all rules. The module imports only the standard
library, so that a test of an operation needs nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

Schema = Mapping[str, Any]
Function = TypeVar("Function", bound=Callable[..., Any])

SLUG = re.compile(r"[a-z][a-z0-9-]{0,63}")
EVENT_TYPE = re.compile(r"[a-z][a-z0-9._-]{0,63}")
FUNCTION_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
AT = "at"
RAW_MEMBERS = frozenset(
    {
        *("operation", "collection", "item_id", "item", "set", "merge", "if_match"),
        *("not_before", "not_after", "task_token"),
    }
)
"""The members of a command's raw form, which the members of an operation must not repeat."""

_POSITIONAL_REST, _NAMED_REST = 0x04, 0x08  # of code objects: *args and **kwargs
_NOT_PLAIN_FUNCTION = 0x20 | 0x80 | 0x200  # a generator, a coroutine, an asynchronous generator


class Refused(Exception):
    """The operation does not apply: the job fails as a 409 of the type `urn:jobpipe:problem:<collection>:<slug>`.

    `slug` names the reason for programs (lower-case letters, digits and hyphens, a letter first, 64 at most), and
    `detail` says it in a sentence for people. The job is not tried again, since it would be refused again.
    """

    def __init__(self, slug: str, detail: str) -> None:
        super().__init__(slug, detail)
        if not (isinstance(slug, str) and SLUG.fullmatch(slug)):
            raise ValueError(
                f"{slug!r} is not a slug: lower-case letters, digits and hyphens, a letter first, 64 at most"
            )
        if not (isinstance(detail, str) and detail.strip()):
            raise ValueError(f"Refused({slug!r}, …) needs a sentence that says why")
        self.slug = slug
        self.detail = detail

    def __str__(self) -> str:
        return self.detail


@dataclass(frozen=True, slots=True)
class Event:
    """An event that is sent once the change is stored; an operation returns it after the document.

    `type` is a word such as "shipped" (lower-case letters, digits, dots, hyphens, underscores; 64 at most), and
    `data` a dict of what JSON can hold. An operation returns up to ten events, with 32,768 bytes of JSON together.
    """

    type: str
    data: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not (isinstance(self.type, str) and EVENT_TYPE.fullmatch(self.type)):
            raise ValueError(f"{self.type!r} is not an event type: a word of lower-case letters, 64 at most")
        if not isinstance(self.data, Mapping):
            raise TypeError(f"the data of the event {self.type!r} is not a dict")


@dataclass(frozen=True, slots=True)
class Operation:
    """What `@operation` notes about a function, as its `__jobpipe_operation__`."""

    name: str
    """The name in routes and commands: the function's name with hyphens for underscores."""
    takes: Mapping[str, Schema]
    """The members that a command must have, with their schemas."""
    optional: Mapping[str, Schema]
    """The members that a command may have."""
    description: str
    """The function's docstring, which becomes the description in the OpenAPI document."""
    takes_at: bool
    """Whether the function has a parameter `at`."""


def operation(
    takes: Mapping[str, Schema] | None = None, optional: Mapping[str, Schema] | None = None
) -> Callable[[Function], Function]:
    """Make the function an operation: `POST /orders/{id}/<name>` stores the document that it returns.

    The function gets the document first, as a dict, then a keyword argument for each member of `takes`, and one for
    each member of `optional` that the command has: its parameters must have the same names, and those for
    `optional` need defaults. With a keyword-only parameter `at` it also gets the time of the command, in RFC 3339.
    It returns the new document, or a tuple of the new document and events. Raise TypeError or ValueError if the
    function or the members do not fit.
    """
    if callable(takes):
        raise TypeError("write @operation(), with parentheses")
    needed, further = _members("takes", takes), _members("optional", optional)
    both = sorted(needed.keys() & further.keys())
    if both:
        raise ValueError(f"{both[0]!r} is in takes and in optional")

    def mark(function: Function) -> Function:
        takes_at = _check_parameters(function, needed, further)
        description = " ".join((function.__doc__ or "").split())
        name = function.__name__.replace("_", "-")
        marked: Any = function
        marked.__jobpipe_operation__ = Operation(name, needed, further, description, takes_at)
        return function

    return mark


def _members(argument: str, members: Any) -> dict[str, Schema]:
    if members is None:
        return {}
    if not isinstance(members, Mapping):
        raise TypeError(f"{argument} is not a dict of names and schemas")
    for name, schema in members.items():
        if not (isinstance(name, str) and name.isascii() and name.isidentifier()):
            raise ValueError(f"{argument}: {name!r} cannot be the name of a parameter")
        if name in RAW_MEMBERS or name == AT:
            raise ValueError(f"{argument}: every command has its own {name!r}; choose another name")
        if not isinstance(schema, Mapping | bool):
            raise TypeError(f"{argument}: {name!r} has no schema: a dict such as {{'type': 'string'}}")
    return dict(members)


def _check_parameters(function: Any, needed: dict[str, Schema], further: dict[str, Schema]) -> bool:
    """Return whether the function takes `at`; raise an error unless it can be called with these members."""
    code = getattr(function, "__code__", None)
    if code is None or not isinstance(getattr(function, "__name__", None), str):
        raise TypeError("an operation is a function that is written with def")
    name = function.__name__
    _check_kind(name, code)
    positional = code.co_varnames[: code.co_argcount]
    named = set(code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount])
    document, members = positional[0], set(positional[1:]) | (named - {AT})
    if AT in positional:
        raise TypeError(f"{name}: at must come after a *")
    if document in needed or document in further:
        raise TypeError(f"{name}: {document!r} is the document, and cannot be a member too")
    for missing in (each for each in (*needed, *further) if each not in members):
        raise TypeError(f"{name} has no parameter {missing!r}, which takes or optional has")
    for unknown in sorted(members - needed.keys() - further.keys()):
        raise TypeError(f"{name} has the parameter {unknown!r}, which neither takes nor optional has")
    defaults = function.__defaults__ or ()
    with_default = set(positional[len(positional) - len(defaults) :]) | set(function.__kwdefaults__ or ())
    for each in (each for each in further if each not in with_default):
        raise TypeError(f"{name}: the parameter {each!r} is optional, so it needs a default")
    return AT in named


def _check_kind(name: str, code: Any) -> None:
    """Raise an error unless the function is a plain one, with a parameter for the document."""
    if not FUNCTION_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a name for an operation: [a-z][a-z0-9_]*, 32 at most")
    if code.co_flags & _NOT_PLAIN_FUNCTION:
        raise TypeError(f"{name} is async or has yield; an operation returns its document")
    if code.co_flags & (_POSITIONAL_REST | _NAMED_REST):
        raise TypeError(f"{name} takes * or **; each member has a parameter of its own")
    if not code.co_argcount:
        raise TypeError(f"{name} has no first parameter for the document")
    if code.co_posonlyargcount > 1:
        raise TypeError(f"{name}: members are passed by name, so only the document can come before the /")


def load_operations(beside: str) -> Any:
    """Return the module operations.py in the folder of a file, for tests: `load_operations(__file__).ship`.

    The module is loaded as part of its folder, as in a Lambda, so that `from . import prices` works in it.
    """
    import importlib  # noqa: PLC0415  # no Lambda calls this
    import sys  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415
    from types import ModuleType  # noqa: PLC0415

    folder = Path(beside).resolve().parent
    package = ModuleType(f"operations_of_{folder.name.replace('-', '_')}")
    package.__path__ = [str(folder)]
    for name in [each for each in sys.modules if each.partition(".")[0] == package.__name__]:
        del sys.modules[name]
    sys.modules[package.__name__] = package
    return importlib.import_module(f"{package.__name__}.operations")
