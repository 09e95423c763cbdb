"""operations.py is imported in a process of its own; what is wrong with it is told with file and line."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from infra.collections import guests
from infra.collections.folder import read_folder
from infra.collections.operations import OperationSource, read_operations
from infra.errors import OperatorError
from tests.collections.folders import change, write_orders


def operations_of(folder: Path) -> list[OperationSource]:
    (source,) = read_folder(folder)
    return read_operations(source)


def refusal(folder: Path) -> str:
    with pytest.raises(OperatorError) as caught:
        operations_of(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_operations_are_described(tmp_path: Path) -> None:
    (ship,) = operations_of(write_orders(tmp_path))
    assert (ship.name, ship.description) == ("ship", "Ship a paid order.")
    assert ship.takes == {"carrier": {"type": "string", "minLength": 1}}
    assert ship.optional == {"note": {"type": "string"}}
    assert ship.place.endswith("orders/operations.py, line 4")


def test_operations_of_further_modules_and_names_of_two_words(tmp_path: Path) -> None:
    operations = "from .shipping import *\nfrom .shipping import take_back as other\n"
    shipping = change("return order").replace("def change", "def take_back")
    (found,) = operations_of(write_orders(tmp_path, operations=operations, shipping=shipping))
    assert (found.name, found.place.endswith("orders/shipping.py, line 4")) == ("take-back", True)


def test_nothing_is_written_into_the_folder(tmp_path: Path) -> None:
    write_orders(tmp_path, operations=f"from . import prices\n{change('return order')}", prices="ONE = 1\n")
    before = sorted(tmp_path.rglob("*"))
    operations_of(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("x = 1\n", "operations.py has no operation: mark a function with @operation()"),
        ("x = 1\nx = y\n", "operations.py, line 2: cannot be imported: NameError: name 'y' is not defined"),
        ("import json\n\njson.loads('{')\n", "operations.py, line 3: cannot be imported: JSONDecodeError: "),
        ("raise SystemExit(3)\n", "operations.py, line 1: cannot be imported: SystemExit: 3"),
        ("import os\nos._exit(0)\n", "operations.py has no operation"),
        ("import os\nos._exit(3)\n", "operations.py ends its process: no output"),
        (
            "from .prices import broken\n",
            "prices.py, line 2: cannot be imported: ZeroDivisionError: division by zero",
        ),
        ("from jobpipe.operation import Refuse\n", "operations.py, line 1: cannot be imported: ImportError: "),
        ("import importlib\nimportlib.import_module('boto3')\n", "line 2: cannot be imported: ModuleNotFoundError"),
        (
            "import importlib\nimportlib.import_module('infra.settings')\n",
            "ModuleNotFoundError: No module named 'infra",
        ),
        ("from jobpipe.operation import operation\n\n@operation\ndef f(order):\n    'x'\n", "with parentheses"),
        (
            change("return order").replace("*, at", "at"),
            "line 4: cannot be imported: TypeError: change: at must come",
        ),
        (change("return order").replace("*, at", "**at"), "TypeError: change takes * or **"),
        (change("return order").replace("*, at", "amount"), "change has the parameter 'amount', which neither"),
        (change("return order").replace("order, *, at", ""), "change has no first parameter for the document"),
        (change("return order").replace("def change", "def Change"), "'Change' is not a name for an operation"),
        (change("return order").replace("def change", f"def {'c' * 33}"), "is not a name for an operation"),
        (change("yield order"), "change is async or has yield"),
        (change("return order", decorator="@operation(takes={'at': {}})"), "takes: every command has its own 'at'"),
        (change("return order", decorator="@operation(takes={'a-b': {}})"), "takes: 'a-b' cannot be the name of a"),
        (change("return order", decorator="@operation(takes=['a'])"), "takes is not a dict of names and schemas"),
        (change("return order", decorator="@operation(takes={'a': 'string'})"), "takes: 'a' has no schema"),
        (change("return order", decorator="@operation(takes={'a': {}})"), "change has no parameter 'a'"),
        (change("return order", decorator="@operation(takes={'order': {}})"), "'order' is the document"),
        (
            change("return order", decorator="@operation(takes={'a': {}}, optional={'a': {}})"),
            "in takes and in optional",
        ),
        (
            change("return order", decorator="@operation(optional={'a': {}})").replace("*, at", "a"),
            "change: the parameter 'a' is optional, so it needs a default",
        ),
        (
            change("return order", decorator="@operation(takes={'a': {'type': 'text'}})").replace("*, at", "a"),
            "operations.py, line 4, change",
        ),
        (
            change("return order", decorator="@operation(takes={'a': {'x': {1, 2}}})").replace("*, at", "a"),
            "operations.py, line 4: change: its takes are no JSON",
        ),
        *(
            (
                change("return order", decorator=f"@operation(takes={{{name!r}: {{}}}})").replace("*, at", name),
                f"takes: every command has its own {name!r}",
            )
            for name in ("operation", "collection", "item_id", "item", "set", "merge", "if_match", "not_before")
        ),
        (
            "from jobpipe.operation import operation\ndef f(o): return o\nf.__name__ = 'delete'\noperation()(f)\n",
            "operations.py, line 2: delete is a method, or what every collection has",
        ),
        (
            "from jobpipe.operation import operation\ndef f(order):\n    return order\noperation()(f)\n",
            "operations.py, line 2: f has no docstring",
        ),
        (
            "from jobpipe.operation import operation\n"
            + "".join(f"@operation()\ndef f{number}(order):\n    'x'\n" for number in range(21)),
            "operations.py, line 62: there are 21 operations; 20 are the most",
        ),
    ],
)
def test_mistakes_in_operations_py(tmp_path: Path, code: str, expected: str) -> None:
    line = refusal(write_orders(tmp_path, operations=code, prices="def f(): pass\nbroken = 1 / 0\n"))
    assert expected in line
    assert "/orders/" in line


def test_code_that_never_ends_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = time.monotonic()
    assert "operations.py, line 1" in refusal(write_orders(tmp_path, operations="while True: pass\n"))
    monkeypatch.setattr(guests, "LOAD_SECONDS", 2)
    waits = "import time\nwhile True:\n    time.sleep(1)\n"
    assert "operations.py does not end within 2 seconds" in refusal(write_orders(tmp_path, operations=waits))
    assert time.monotonic() - started < 30


def test_what_the_code_prints_is_no_answer(tmp_path: Path) -> None:
    prints = "import os, sys\nprint('{\"problem\": 1}')\nos.write(1, b'x\\n')\nsys.stdout.flush()\n"
    code = prints + change("return order")
    assert [each.name for each in operations_of(write_orders(tmp_path, operations=code))] == ["change"]


def test_the_code_sees_nothing_of_the_checkout_and_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    code = (
        "import os, sys\n"
        "assert not [each for each in sys.path if 'site-packages' in each], sys.path\n"
        "assert 'AWS_SECRET_ACCESS_KEY' not in os.environ\n"
        f"{change('return order')}"
    )
    assert len(operations_of(write_orders(tmp_path, operations=code))) == 1
