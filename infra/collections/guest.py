"""Runs a collection's operations.py in a separate process, which infra/collections/guests.py starts.

The user's code may fail when it is imported, end its process, never return, or print. So the process that packages
does not import it, and reads only lines of JSON from this process. There are no site-packages, as in a Lambda.
"""

import contextlib
import importlib
import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from decimal import Context, localcontext
from pathlib import Path
from types import ModuleType
from typing import Any

from infra.collections.taken_away import TakenAway, take_away
from jobpipe.domain import json_text
from jobpipe.operation import Event, Refused

Answer = dict[str, Any]
_CALL_SECONDS = 2  # of processor time, for a call of an operation
_ENDLESS = f"does not end within {_CALL_SECONDS} seconds"
_MEMORY = 2 << 30


def main() -> None:
    """Read a request from stdin, and write each answer to stdout as a line."""
    request = json_text.decode(sys.stdin.buffer.read())
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the user's code prints is not an answer
    _limit_memory()
    signal.signal(signal.SIGPROF, _too_long)
    guest = _Guest(Path(request["folder"]), request["module"])

    def answer(found: Answer) -> None:
        answers.write(json_text.encode(found) + "\n")
        answers.flush()

    _hide_the_checkout()
    if request["calls"]:
        take_away(guest.folder)
    problem = guest.load()
    if problem is not None:
        answer(problem)
    elif request["calls"]:
        for call in request["calls"]:
            answer(guest.call(call))
    else:
        for operation in guest.describe():
            answer(operation)
    os._exit(0)  # without the user's exit handlers and threads


def _hide_the_checkout() -> None:
    """Hide everything of the checkout that is not in a Lambda, or that operations may not import."""
    sys.modules["jobpipe"].__path__ = []
    for name in [each for each in sys.modules if each.startswith(("infra", "jobpipe."))]:
        if name != "jobpipe.operation":
            del sys.modules[name]


def _limit_memory() -> None:
    with contextlib.suppress(ValueError, OSError):  # not every system has this limit
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


class _TooLong(BaseException):
    """The call took more processor time than allowed."""


def _too_long(*_: object) -> None:
    raise _TooLong(_ENDLESS)


class _Guest:
    """The user's operations.py."""

    def __init__(self, folder: Path, module: str) -> None:
        self.folder = folder
        self._name = f"jobpipe_collections.{module}"
        self._operations: dict[str, Any] = {}
        self._endless: set[str] = set()

    def load(self) -> Answer | None:
        """Import the module from its folder, as the Lambda does; return the problem if that fails."""
        for name, place in (("jobpipe_collections", []), (self._name, [str(self.folder)])):
            package = ModuleType(name)
            package.__path__ = place
            sys.modules[name] = package
        found, problem = self._guarded(lambda: importlib.import_module(f"{self._name}.operations"))
        if problem is not None:
            return {"problem": f"cannot be imported: {problem['problem']}", "line": problem["line"]}
        for value in vars(found).values():
            marked = getattr(value, "__jobpipe_operation__", None)
            if marked is not None:
                self._operations.setdefault(marked.name, value)
        return None

    def describe(self) -> list[Answer]:
        """Return the operations in the order of their definition."""
        found = []
        for name, function in self._operations.items():
            marked = function.__jobpipe_operation__
            answer = {"name": name, "description": marked.description, "line": self._line(function.__code__)}
            try:
                for part in ("takes", "optional"):
                    answer[part] = json.loads(
                        json.dumps(json_text.decode(json_text.encode(dict(getattr(marked, part)))))
                    )
            except Exception as error:  # noqa: BLE001  # the user's values may raise anything
                answer = {"problem": f"{name}: its takes are not JSON: {_words(error)}", "line": answer["line"]}
            found.append(answer)
        return found

    def call(self, call: Answer) -> Answer:
        """Run one operation twice on equal arguments, and return both outcomes."""
        name = call["operation"]
        function = self._operations[name]
        outcomes = [] if name in self._endless else [self._outcome(function, call) for _ in range(2)]
        if any(_ENDLESS in outcome.get("problem", "") for outcome in outcomes):
            self._endless.add(name)  # other calls would take as long
        return {"outcomes": outcomes, "line": self._line(function.__code__)}

    def _outcome(self, function: Any, call: Answer) -> Answer:
        # As in the worker, all fractions are Decimals, and each run gets its own copies of the values.
        document, members = (
            json_text.decode_with_decimals(json_text.encode(call[part])) for part in ("document", "members")
        )
        if function.__jobpipe_operation__.takes_at:
            members["at"] = call["at"]
        with localcontext(Context(prec=json_text.MAX_DIGITS)):  # as in the worker
            found, problem = self._guarded(lambda: function(document, **members))
        outcome: Answer
        if problem is None:
            outcome = self._answer(found)
        elif "refused" in problem:
            outcome = problem
        else:
            return problem
        try:
            outcome["document_after"] = json_text.decode(json_text.encode(document))
        except Exception:  # noqa: BLE001  # the document may contain any of the user's values
            outcome["document_after"] = repr(type(document))
        return outcome

    def _answer(self, found: Any) -> Answer:
        document: Any = found
        events: tuple[Any, ...] = ()
        if isinstance(found, tuple) and found:
            document, *rest = found
            events = tuple(rest)
        if not isinstance(document, dict):
            return {"problem": f"returns {_kind(found)} instead of a dict, the document", "line": None}
        if not all(isinstance(each, Event) for each in events):
            return {"problem": "returns a tuple that is not a document and events", "line": None}
        try:
            return {
                "document": json_text.decode(json_text.encode(document)),
                "events": [[each.type, json_text.decode(json_text.encode(dict(each.data)))] for each in events],
                "keys": _foreign_key(document),
            }
        except Exception as error:  # noqa: BLE001  # the returned values may raise anything
            return {"problem": f"returns what JSON cannot express: {_words(error)}", "line": None}

    def _guarded(self, run: Callable[[], Any]) -> tuple[Any, Answer | None]:
        """Return the result of the user's code, and the problem or refusal if it ends with one."""
        TakenAway.used.clear()
        found: Any = None
        problem: Answer | None = None
        signal.setitimer(signal.ITIMER_PROF, _CALL_SECONDS)
        try:
            found = run()
        except Refused as refusal:
            problem = {"refused": [refusal.slug, refusal.detail]}
        except (TakenAway, _TooLong) as error:
            problem = {"problem": str(error), "line": self._place(error)}
        except BaseException as error:  # noqa: BLE001  # SystemExit is the user's too
            problem = {"problem": f"{type(error).__name__}: {_words(error)}", "line": self._place(error)}
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        if TakenAway.used:  # even if the user's code caught the error
            what, path, line = TakenAway.used[0]
            problem = {"problem": what, "line": [Path(path).name, line]}
        return found, problem

    def _place(self, error: BaseException) -> list[Any] | None:
        """Return the file and line in the collection's folder where the error was raised."""
        if isinstance(error, SyntaxError) and error.filename:
            return [Path(error.filename).name, error.lineno or 1]
        frames = traceback.extract_tb(error.__traceback__)
        own = [
            [Path(each.filename).name, each.lineno] for each in frames if Path(each.filename).parent == self.folder
        ]
        return own[-1] if own else None

    def _line(self, code: Any) -> list[Any]:
        return [Path(code.co_filename).name, code.co_firstlineno]


def _foreign_key(value: Any) -> str | None:
    """Return a dict key that is not a string, and that JSON would convert to one; None if there is none."""
    if isinstance(value, dict):
        for key, each in value.items():
            if not isinstance(key, str):
                return repr(key)
            found = _foreign_key(each)
            if found is not None:
                return found
    elif isinstance(value, list | tuple):
        for each in value:
            found = _foreign_key(each)
            if found is not None:
                return found
    return None


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def _words(error: BaseException) -> str:
    try:
        return " ".join(str(error).split())[:300]
    except Exception:  # noqa: BLE001  # the user's exception may raise anything
        return "it has no text"
