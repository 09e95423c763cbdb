"""Starts the process that runs a collection's operations (infra/collections/guest.py), and reads its answers."""

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from infra.collections.folder import CollectionSource
from infra.collections.modules import OPERATIONS_FILE
from infra.errors import OperatorError
from infra.settings import ROOT
from jobpipe.domain import json_text

LOAD_SECONDS = 20  # to import operations.py on a busy machine
RUN_SECONDS = 120
_MAX_SHOWN = 300  # characters of an example
_MAIN = (
    "import sys; sys.path.insert(0, sys.argv[1]); from infra.collections.guest import main;"
    " sys.path.remove(sys.argv[1]); main()"
)
# Like -I: no site-packages, working directory or Python variables, and nothing is written beside the user's code.
# -I itself would ignore PYTHONHASHSEED.
_ISOLATED = ("-S", "-s", "-P", "-B")


def ask_guest(
    source: CollectionSource, calls: Sequence[dict[str, Any]] = (), *, hash_seed: int = 0
) -> list[dict[str, Any]]:
    """Return the operations of a collection or, if calls are given, the outcome of each call.

    Raise OperatorError, with file and line, if operations.py cannot be imported or does not end.
    """
    request = {"folder": str(source.folder.resolve()), "module": source.module, "calls": list(calls)}
    command = [sys.executable, *_ISOLATED, "-c", _MAIN, str(ROOT)]
    environment = {"PYTHONHASHSEED": str(hash_seed), "TZ": "UTC", "LC_ALL": "C.UTF-8"}
    seconds = RUN_SECONDS if calls else LOAD_SECONDS
    try:
        done = subprocess.run(
            command,
            input=json_text.encode(request).encode(),
            env=environment,
            capture_output=True,
            timeout=seconds,
            cwd="/",
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        answers = _answers(error.stdout or b"")
        raise OperatorError(_unfinished(source, calls, answers, f"does not end within {seconds} seconds")) from None
    answers = _answers(done.stdout)
    for answer in answers:
        if "problem" in answer:
            raise OperatorError(f"{place(source, answer.get('line'))}: {answer['problem']}")
    if done.returncode or (calls and len(answers) < len(calls)):
        last = (done.stderr.decode(errors="replace").strip().splitlines() or ["no output"])[-1][:300]
        raise OperatorError(_unfinished(source, calls, answers, f"ends its process: {last}"))
    return answers


def place(source: CollectionSource, line: Sequence[Any] | None) -> str:
    """Return `collections/orders/operations.py, line 7`."""
    if line is None:
        return f"{source.shown}/{OPERATIONS_FILE}"
    return f"{source.shown}/{line[0]}, line {line[1]}"


def _answers(output: bytes) -> list[dict[str, Any]]:
    return [json_text.decode(line) for line in output.splitlines(keepends=True) if line.endswith(b"\n")]


def _unfinished(
    source: CollectionSource, calls: Sequence[dict[str, Any]], answers: Sequence[dict[str, Any]], what: str
) -> str:
    where = place(source, None)
    if len(answers) >= len(calls):
        return f"{where} {what}"
    call = calls[len(answers)]
    return f"{where}: {call['operation']} {what}, for {shown(call)}"


def shown(call: dict[str, Any]) -> str:
    """Return the arguments of a call, shortened."""
    words = json_text.encode(call["document"])
    if call["members"]:
        words += f" with {json_text.encode(call['members'])}"
    return words if len(words) <= _MAX_SHOWN else f"{words[:_MAX_SHOWN]} …"
