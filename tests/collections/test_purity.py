"""Operations that are no pure functions are found before a deployment, and told with file, line and example."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from infra.collections import guests, purity
from infra.collections.build import VERDICTS, prepare_package
from infra.collections.names import PACKAGE
from infra.errors import OperatorError
from tests.collections.folders import SCHEMA, change, write_orders

pytestmark = pytest.mark.slow


def told(folder: Path) -> str:
    """Return what is said about a folder."""
    with pytest.raises(OperatorError) as caught:
        prepare_package(folder, folder.parent / "built")
    return str(caught.value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "collections"


PURE = [
    "return order",
    "order['status'] = 'paid'\nreturn order",
    "return {**order, 'shipped_at': at}",
    "return {**order, 'tags': sorted({'a', 'b', 'c'})}",
    """
import datetime as d
moment = d.datetime.fromisoformat(at)
assert isinstance(moment, d.date)
return {**order, 'shipped_at': (moment + d.timedelta(days=1)).isoformat()}""",
    "import random\nreturn {**order, 'carrier': str(random.Random(7).random())}",
    "import uuid\nreturn {**order, 'carrier': str(uuid.uuid5(uuid.NAMESPACE_URL, order['number']))}",
    "import decimal, re, hashlib, string, statistics, unicodedata, zoneinfo, calendar, fractions\nreturn order",
    "import logging\nlogging.getLogger(__name__).warning('x')\nreturn order",
    "print(order)\nreturn order",
    "return order, Event('changed', {'at': at}), Event('told', {})",
    "raise Refused('never', 'It is never changed.')",
]


def test_pure_operations_pass(folder: Path) -> None:
    prepare_package(write_operations(folder, PURE), folder.parent / "built")


def write_operations(folder: Path, bodies: Sequence[str], head: str = "") -> Path:
    """Write a collection of these operations, which is quicker than one of each; a module has one operation."""
    modules = {f"m{n}": change(body, head).replace("def change", f"def change{n}") for n, body in enumerate(bodies)}
    imports = "".join(f"from .{module} import change{n}\n" for n, module in enumerate(modules))
    return write_orders(folder, operations=imports, **modules)


IMPURE = [
    ("import time\nreturn {**order, 'carrier': str(time.time())}", 8, "change uses the clock (time.time); at is"),
    (
        "from time import monotonic\nreturn {**order, 'carrier': str(monotonic())}",
        8,
        "uses the clock (time.monotonic)",
    ),
    ("import time\ntime.sleep(0)\nreturn order", 8, "uses the clock (time.sleep)"),
    ("import time\nreturn {**order, 'carrier': time.ctime()}", 8, "uses the clock (time.ctime)"),
    ("import time\nreturn {**order, 'carrier': time.strftime('%Y')}", 8, "uses the clock (time.strftime)"),
    ("from datetime import datetime\nreturn {**order, 'carrier': str(datetime.now())}", 8, "(datetime.now)"),
    ("from datetime import datetime\nreturn {**order, 'carrier': str(datetime.utcnow())}", 8, "(datetime.utcnow)"),
    ("import datetime\nreturn {**order, 'carrier': str(datetime.date.today())}", 8, "(date.today)"),
    ("import random\nreturn {**order, 'carrier': str(random.random())}", 8, "uses chance (random.random)"),
    ("from random import choice\nreturn {**order, 'carrier': choice('ab')}", 8, "uses chance (random.choice)"),
    (
        "import random\nreturn {**order, 'carrier': str(random.Random().random())}",
        8,
        "(random.Random without a seed)",
    ),
    ("import random\nreturn {**order, 'carrier': str(random.SystemRandom().random())}", 8, "uses chance (random."),
    ("import secrets\nreturn {**order, 'carrier': secrets.token_hex()}", 8, "uses chance ("),
    ("import secrets\nreturn {**order, 'carrier': secrets.choice('ab')}", 8, "uses chance ("),
    ("import uuid\nreturn {**order, 'carrier': str(uuid.uuid4())}", 8, "uses chance (uuid.uuid4)"),
    ("import uuid\nreturn {**order, 'carrier': str(uuid.uuid1())}", 8, "uses chance (uuid.uuid1)"),
    ("import os\nreturn {**order, 'carrier': os.urandom(2).hex()}", 8, "uses chance (os.urandom)"),
    ("import os\nreturn {**order, 'carrier': os.environ['HOME']}", 8, "reads the environment"),
    ("import os\nreturn {**order, 'carrier': os.getenv('HOME', '')}", 8, "reads the environment"),
    ("import os\nos.environ['X'] = 'y'\nreturn order", 8, "changes the environment"),
    ("open('/etc/passwd').close()\nreturn order", 7, "opens a file (open)"),
    ("from pathlib import Path\nPath('/tmp/x').write_text('x')\nreturn order", 8, "opens a file (open)"),
    ("from pathlib import Path\nPath('/etc').exists()\nreturn order", 8, "uses the system (os.stat)"),
    ("import os\nos.listdir('/')\nreturn order", 8, "uses the system (os.listdir)"),
    ("import os\nreturn {**order, 'carrier': str(os.getpid())}", 8, "uses the system (os.getpid)"),
    ("import tempfile\ntempfile.mkstemp()\nreturn order", 8, "reads the environment"),
    ("import subprocess\nsubprocess.run(['true'])\nreturn order", 8, "starts a process (subprocess.Popen)"),
    ("import os\nos.system('true')\nreturn order", 8, "uses the system (os.system)"),
    ("import os\nos.fork()\nreturn order", 8, "uses the system (os.fork)"),
    ("import socket\nsocket.create_connection(('127.0.0.1', 9))\nreturn order", 8, "uses the network (socket."),
    (
        "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:9')\nreturn order",
        8,
        "reads the environment",
    ),
    ("import sqlite3\nsqlite3.connect(':memory:')\nreturn order", 8, "uses a database (sqlite3.connect"),
    ("import ctypes\nctypes.CDLL(None)\nreturn order", 8, "uses native code (ctypes."),
    ("try:\n    open('/etc/passwd')\nexcept BaseException:\n    pass\nreturn order", 8, "opens a file (open)"),
    (
        "import importlib\nimportlib.import_module('boto3')",
        8,
        "fails with ModuleNotFoundError: No module named 'boto3'",
    ),
    ("return {**order, 'tags': list({'a', 'b', 'c', 'd', 'e'})}", 4, "answers differently each time (tags: ["),
    ("return {**order, 'carrier': str(hash('x'))}", 4, "answers differently each time (carrier: "),
    ("return {**order, 'carrier': str(id(object()))}", 4, "change "),
    (
        "COUNT.append(1)\nreturn {**order, 'carrier': str(len(COUNT))}",
        4,
        "answers differently each time (carrier: ",
    ),
    (
        "COUNT.append(1)\norder['total'] = len(COUNT)\nreturn {**order, 'total': 1}",
        4,
        "answers differently each time",
    ),
    ("COUNT.append(1)\nraise Refused('no', f'For the {len(COUNT)}th time.')", 4, "answers differently each time"),
    ("COUNT.append(1)\nreturn order, Event('x', {'n': len(COUNT)})", 4, "answers differently each time ([["),
    ("return {**order, 'status': 'lost'}", 4, "returns a document that breaks the schema: "),
    ("return {**order, 'colour': 'red'}", 4, "returns a document that breaks the schema: "),
    ("return {}", 4, "returns a document that breaks the schema: "),
    ("return {**order, 'number': order['number'] + 'a'}", 4, "change "),
    ("return {**order, 'number': '7'}", 4, "changes number, which is the key"),
    ("return {**order, 'id': '7'}", 4, "returns an id, which is no part of a document"),
    ("return {**order, 7: 'x'}", 4, "returns a dict with the key 7, which is no text"),
    ("pass", 4, "returns nothing instead of a dict, the document"),
    ("return [order]", 4, "returns a list instead of a dict"),
    ("return ()", 4, "returns a tuple instead of a dict"),
    ("return order, 'shipped'", 4, "returns a tuple of something else than a document and events"),
    ("return {**order, 'tags': {'a'}}", 4, "returns what JSON cannot hold: "),
    ("return {**order, 'total': float('nan')}", 4, "returns what JSON cannot hold: "),
    (
        "import datetime\nreturn {**order, 'shipped_at': datetime.date(2026, 1, 1)}",
        4,
        "returns what JSON cannot hold",
    ),
    ("return order, Event('x', {'a': {1}})", 4, "returns what JSON cannot hold: "),
    ("return (order, *[Event('x', {})] * 11)", 4, "returned 11 events; it may return 10."),
    ("return order, Event('x', {'a': 'b' * 32768})", 4, "must have at most 32768 bytes together."),
    (
        "return order, Event('x', {'a': chr(0)})",
        4,
        "returns events that the job fails by: The data of the event 'x'",
    ),
    ("return order, Event('Shipped', {})", 7, "fails with ValueError: 'Shipped' is not an event type"),
    ("return {**order, 'carrier': order['total']}", 7, "fails with KeyError: 'total'"),
    ("return help_with(order)", 2, "fails with ZeroDivisionError: division by zero"),
    ("raise Refused('Not paid', 'x')", 7, "fails with ValueError: 'Not paid' is not a slug"),
    ("raise SystemExit", 7, "fails with SystemExit"),
    ("while True: pass", 7, "does not end within 2 seconds"),
]
HEAD = "COUNT = []; help_with = lambda order: 1 / 0"


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What is told of each operation of IMPURE; a collection can have 20."""
    found = []
    for start in range(0, len(IMPURE), 20):
        bodies = [body for body, _, _ in IMPURE[start : start + 20]]
        folder = tmp_path_factory.mktemp("x") / "collections"
        said = told(write_operations(folder, bodies, HEAD)).splitlines()
        by_name = {line.partition(": ")[2].split()[0]: line for line in said}
        assert len(by_name) == len(said)
        found += [by_name.get(f"change{number}", "") for number in range(len(bodies))]
    return found


@pytest.mark.parametrize("number", range(len(IMPURE)), ids=[body for body, _, _ in IMPURE])
def test_what_is_not_pure_is_told_with_file_line_and_example(lines: list[str], number: int) -> None:
    _, line, expected = IMPURE[number]
    module, said = number % 20, lines[number]
    expected = expected.replace("change ", f"change{module} ")
    assert said.startswith(f"collections/orders/m{module}.py, line {line}: change{module} "), said
    assert expected in said
    assert ", for {" in said


def test_what_a_module_does_when_it_is_imported_counts_too(folder: Path) -> None:
    code = change("return {**order, 'carrier': NOW}", "import time; NOW = time.ctime()")
    assert "operations.py, line 2: cannot be imported: uses the clock (time.ctime)" in told(
        write_orders(folder, operations=code)
    )


def test_the_example_is_a_small_one(folder: Path) -> None:
    said = told(write_orders(folder, operations=change("return {**order, 'tags': order['tags'][0]}")))
    example = json.loads(said.partition(", for ")[2])
    assert set(example) <= {"number", "customer", "status"}


def test_members_are_generated_too(folder: Path) -> None:
    code = (
        "from jobpipe.operation import operation\n"
        "@operation(takes={'amount': {'type': 'integer', 'maximum': 3}}, optional={'note': {'type': 'string'}})\n"
        "def pay(order, amount, note='x'):\n"
        "    'Pay it.'\n"
        "    return {**order, 'carrier': str(1 / amount)}\n"
    )
    said = told(write_orders(folder, operations=code))
    assert "line 5: pay fails with ZeroDivisionError" in said
    assert '"amount":0' in said.partition(" with {")[2]


def test_each_operation_has_its_line(folder: Path) -> None:
    code = f"{change('return None')}\n@operation()\ndef other(order):\n    'x'\n    return []\n"
    said = told(write_orders(folder, operations=code))
    assert [line.partition(": ")[2].split()[0] for line in said.splitlines()] == ["change", "other"]


def test_an_operation_of_which_the_process_dies_is_named(folder: Path) -> None:
    said = told(write_orders(folder, operations=change("import os\nos.abort()")))
    assert "operations.py: change ends its process" in said


def test_a_number_of_many_digits_is_among_the_documents(folder: Path) -> None:
    said = told(
        write_orders(folder, operations=change("return {**order, 'total': order.get('total', 0) * 1.5 // 1}"))
    )
    assert "TypeError: unsupported operand" in said


def test_nothing_is_written_into_the_folder(folder: Path) -> None:
    write_orders(folder)
    before = sorted(folder.rglob("*"))
    prepare_package(folder, folder.parent / "built")
    assert sorted(folder.rglob("*")) == before


def test_a_verdict_is_kept_while_the_folder_is_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    ask = guests.ask_guest

    def counted(*given: Any, **named: Any) -> Any:
        tried.append(given[0].name)
        return ask(*given, **named)

    monkeypatch.setattr(purity, "ask_guest", counted)
    target = folder.parent / "built"
    prepare_package(write_orders(folder), target)
    assert tried == ["orders", "orders"]
    prepare_package(folder, target)
    assert len(tried) == 2
    (target / VERDICTS).write_text("{")
    prepare_package(folder, target)
    assert len(tried) == 4
    write_orders(folder, operations=change("return None"))
    told(folder)
    told(folder)
    assert len(tried) == 8, "what was refused is tried again"


def test_a_schema_for_which_no_document_is_found(folder: Path) -> None:
    properties = {"number": {"type": "integer", "minimum": 1, "maximum": 1, "not": {"const": 1}}}
    schema = {"type": "object", "properties": properties, "required": ["number"]}
    write_orders(folder, schema=json.dumps(schema), collection='title = "a"\n', operations=None)
    assert "orders/schema.json: no document was found that it accepts; if there are some, give one" in told(folder)


def test_examples_of_the_schema_are_tried_first(folder: Path) -> None:
    example = {"number": "of the examples", "customer": "alice", "status": "paid"}
    schema = json.dumps({**SCHEMA, "examples": [example]})
    assert '"of the examples"' in told(
        write_orders(
            folder,
            schema=schema,
            operations=change("if order['number'] == 'of the examples': return None\nreturn order"),
        )
    )


def test_the_package_of_a_refused_folder_is_not_written(folder: Path) -> None:
    told(write_orders(folder, operations=change("return None")))
    assert not (folder.parent / "built" / PACKAGE).exists()
