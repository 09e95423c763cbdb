"""A folder of collections that is not as it must be is refused in one line, which names the file and the place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_lambda.chalicelib.endpoints.routes import ROUTES as TABLE
from infra.collections import names
from infra.collections.folder import read_folder
from infra.errors import OperatorError
from infra.settings import COLLECTIONS
from jobpipe.domain.commands.command import COMMANDS
from jobpipe.domain.documents.item_ref import COLLECTION_NAME
from jobpipe.operation import RAW_MEMBERS
from tests.collections.folders import schema_with, write_orders


def refusal(folder: Path) -> str:
    """Return the one line with which a folder is refused."""
    with pytest.raises(OperatorError) as caught:
        read_folder(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_collection_is_read(tmp_path: Path) -> None:
    (source,) = read_folder(write_orders(tmp_path, "line-items", prices="ONE = 1\n"))
    assert (source.name, source.module, source.settings.title) == ("line-items", "line_items", "Order")
    assert source.types == {"number": "string", "invoice": "integer", "customer": "string"}
    assert list(source.modules) == ["operations.py", "prices.py"]


def test_the_checkout_has_items_and_nothing_else() -> None:
    assert [path.name for path in COLLECTIONS.iterdir()] == ["items"]
    assert read_folder(COLLECTIONS) == []


def test_a_collection_needs_neither_key_nor_operations(tmp_path: Path) -> None:
    (source,) = read_folder(write_orders(tmp_path, collection='title = "Order"\n', operations=None))
    assert (source.settings.key, source.types, source.has_operations) == (None, {}, False)


@pytest.mark.parametrize(
    "name", ["README.md", "LICENSE", ".gitignore", ".git", "__pycache__", ".pytest_cache", "tests"]
)
def test_files_that_are_not_packaged_may_be_there(tmp_path: Path, name: str) -> None:
    write_orders(tmp_path)
    before = read_folder(tmp_path)[0].digest()
    for place in (tmp_path, tmp_path / "orders"):
        (place / name / "x").mkdir(parents=True)
    (tmp_path / "orders" / "test_operations.py").write_text("import pytest\n")
    (tmp_path / "orders" / "conftest.py").write_text("import pytest\n")
    (source,) = read_folder(tmp_path)
    assert list(source.modules) == ["operations.py"]
    assert source.digest() == before


def test_a_folder_without_collections(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no") == f"the folder of collections {tmp_path / 'no'} does not exist (COLLECTIONS)"
    assert "has no collections: a collection is a folder" in refusal(tmp_path)
    (tmp_path / "file").write_text("")
    assert "is not a folder" in refusal(tmp_path / "file")
    (tmp_path / "notes").mkdir()
    assert "has no collections: a collection is a folder" in refusal(tmp_path)
    (tmp_path / "orders").mkdir()
    (tmp_path / "orders" / "schema.json").write_text("{}")
    assert "orders has schema.json but no collection.toml" in refusal(tmp_path)


def test_what_is_beside_the_collections_is_the_users_own(tmp_path: Path) -> None:
    folder = write_orders(tmp_path)
    before = [source.digest() for source in read_folder(folder)]
    for name in ("README.md", "orders.csv", ".git"):
        (folder / name).write_text("x")
    (folder / "scripts").mkdir()
    assert [source.digest() for source in read_folder(folder)] == before


@pytest.mark.parametrize("name", ["Orders", "1st", "a_b", "ä", "-a", "a" * 33, "a b"])
def test_names_that_cannot_be_in_a_path(tmp_path: Path, name: str) -> None:
    assert f"{name} is not a name of a collection" in refusal(write_orders(tmp_path, name))


@pytest.mark.parametrize("name", sorted(each for each in names.RESERVED if COLLECTION_NAME.fullmatch(each)))
def test_names_that_the_api_has_or_may_get(tmp_path: Path, name: str) -> None:
    assert f"/{name} is reserved for the API itself" in refusal(write_orders(tmp_path, name))


def test_the_reserved_names_are_those_of_the_routes() -> None:
    assert {route.path.split("/")[1] for route in TABLE} - {""} - {"{collection}"} == names.ROUTES
    # No look-up of a collection is in the same place as a parameter of webhooks.
    others = [route for route in TABLE if not route.path.startswith("/webhooks")]
    assert {parameter for route in others for parameter in route.query} <= names.QUERY_PARAMETERS
    assert {command.operation for command in COMMANDS} <= names.OPERATIONS
    assert {route.method.lower() for route in TABLE} <= names.OPERATIONS


def test_items_cannot_be_another_collection(tmp_path: Path) -> None:
    assert "items is jobpipe's own collection" in refusal(write_orders(tmp_path, "items"))
    (tmp_path / "items" / "collection.toml").write_text('title = "Item"\nbuiltin = true\n')
    assert "items/operations.py: items is built in" in refusal(tmp_path)


def test_no_other_collection_is_built_in(tmp_path: Path) -> None:
    write_orders(tmp_path, collection='title = "Order"\nbuiltin = true\n')
    assert "orders/collection.toml, line 2: only items is built in" in refusal(tmp_path)


def test_there_are_at_most_40_collections(tmp_path: Path) -> None:
    for number in range(40):
        write_orders(tmp_path, f"orders-{number}", operations=None)
    assert len(read_folder(tmp_path)) == 40
    write_orders(tmp_path, "orders-40")
    assert "has 41 collections; the maximum is 40" in refusal(tmp_path)


LONG = {f"f{number}": {"type": "string"} for number in range(5)}
FIVE = json.dumps(list(LONG))


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ("title = ", "orders/collection.toml is not valid TOML: Invalid value"),
        ('title = "a"\ntitle = "b"', "is not valid TOML: Cannot overwrite a value (at line 2"),
        ('key = "number"', 'orders/collection.toml has no title, such as title = "Order"'),
        ("title = 7", "line 1: title must be one line of text"),
        ('title = " "', "line 1: title must be one line of text"),
        ('title = "a\\nb"', "line 1: title must be one line of text"),
        (f'title = "{"a" * 65}"', "line 1: title must be one line of text"),
        ('title = "a"\n\nindex = ["customer"]', "line 3: there is no key index; did you mean indexes?"),
        ('title = "a"\nkeys = "number"', "line 2: there is no key keys; did you mean key?"),
        ('title = "a"\n[unique]\nx = 1', "line 2: unique must be a list of fields"),
        ('title = "a"\n[colour]', "line 2: there is no key colour"),
        (
            'title = "a"\naccess = "owner"',
            'line 2: access must be "shared" or "own", not \'owner\'; did you mean own?',
        ),
        ('title = "a"\naccess = ["own"]', 'line 2: access must be "shared" or "own"'),
        ('title = "a"\nkey = "numbr"', "line 2: key names numbr, which schema.json lacks; did you mean number?"),
        ('title = "a"\nkey = ["number"]', "line 2: key must name a field of the schema"),
        ('title = "a"\nkey = ""', "line 2: key must name a field of the schema"),
        ('title = "a"\nkey = "total"', 'line 2: key names total, whose "type"'),
        ('title = "a"\nkey = "tags"', 'line 2: key names tags, whose "type"'),
        ('title = "a"\nunique = "invoice"', "line 2: unique must be a list of fields"),
        ('title = "a"\nunique = [7]', "line 2: unique must name a field of the schema"),
        ('title = "a"\nunique = ["invoice", "invoice"]', "line 2: invoice is listed twice in unique"),
        ('title = "a"\nindexes = ["customer", "customer"]', "line 2: customer is listed twice in indexes"),
        ('title = "a"\nunique = ["nothing"]', "line 2: unique names nothing, which schema.json lacks"),
        ('title = "a"\nindexes = ["tags"]', "line 2: indexes names tags"),
        ('title = "a"\nkey = "number"\nunique = ["number"]', "line 3: number is already the key"),
        ('title = "a"\nkey = "number"\nindexes = ["number"]', "line 3: number is already the key"),
        ('title = "a"\nunique = ["invoice"]\nindexes = ["invoice"]', "line 3: invoice is already unique"),
        (f'title = "a"\nunique = {FIVE}', "line 2: unique has 5 fields; the maximum is 4"),
        (f'title = "a"\nindexes = {FIVE}', "line 2: indexes has 5 fields; the maximum is 4"),
        ('title = "a"\nbuiltin = 1', "line 2: a collection with builtin = true may have only a title"),
        (
            'title = "a"\nbuiltin = true\nkey = "number"',
            "line 3: a collection with builtin = true may have only a title",
        ),
    ],
)
def test_mistakes_in_collection_toml(tmp_path: Path, toml: str, expected: str) -> None:
    line = refusal(write_orders(tmp_path, collection=f"{toml}\n", schema=schema_with(**LONG)))
    assert expected in line
    assert "orders/collection.toml" in line


@pytest.mark.parametrize("key", ["key", "unique", "indexes"])
@pytest.mark.parametrize("field", sorted(names.QUERY_PARAMETERS | RAW_MEMBERS))
def test_no_look_up_by_a_field_that_is_named_like_a_parameter_or_member(
    tmp_path: Path, key: str, field: str
) -> None:
    value = json.dumps(field if key == "key" else [field])
    folder = write_orders(
        tmp_path, collection=f'title = "a"\n{key} = {value}\n', schema=schema_with(**{field: {"type": "string"}})
    )
    assert f"collection.toml, line 2: {key} cannot be {field}, which is the name of a " in refusal(folder)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ("{", "orders/schema.json, line 1, column 2: Expecting property name"),
        ('{\n "type": }', "orders/schema.json, line 2, column 10: Expecting value"),
        ("\ufeff{}", "orders/schema.json, line 1, column 1"),
        ("[]", "orders/schema.json is not a JSON object"),
        ("true", "orders/schema.json is not a JSON object"),
        ('{"type": "object", "type": "array"}', "orders/schema.json: the name 'type' appears twice in an object"),
        ('{"properties": {"a": {"type": 1, "type": 2}}}', "the name 'type' appears twice"),
        ('{"type": "object", "maximum": NaN}', "orders/schema.json: "),
        ("{}", 'must have "type": "object"'),
        ('{"type": ["object", "null"]}', 'must have "type": "object"'),
        ('{"type": "array"}', 'must have "type": "object"'),
        (
            '{"type": "object", "properties": {"id": {}}}',
            "orders/schema.json, #/properties/id: every document already has an id",
        ),
        ('{"type": "object", "minProperties": "a"}', "orders/schema.json"),
        (f"{'[' * 100_000}{']' * 100_000}", "orders/schema.json: it is nested too deeply"),
    ],
)
def test_mistakes_in_schema_json(tmp_path: Path, schema: str, expected: str) -> None:
    assert expected in refusal(write_orders(tmp_path, schema=schema, collection='title = "a"\n'))


def test_a_schema_that_is_missing_or_not_in_utf_8(tmp_path: Path) -> None:
    write_orders(tmp_path, schema=None)
    assert "orders/schema.json is missing" in refusal(tmp_path)
    (tmp_path / "orders" / "schema.json").write_bytes(b'{"title": "\xff"}')
    assert "orders/schema.json is not in UTF-8 (byte 12)" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("schema.jsn", "orders/schema.jsn is not a file of a collection; did you mean schema.json?"),
        ("Operations.py", "did you mean operations.py?"),
        ("collection.toml2", "orders/collection.toml2 is not a file of a collection"),
        ("data.json", "orders/data.json is not a file of a collection"),
        ("my module.py", "is not a file of a collection"),
        ("a.pyc", "is not a file of a collection"),
        ("schema.py", "orders/schema.py: packaging writes a module of this name"),
        ("operation_takes.py", "orders/operation_takes.py: packaging writes"),
        ("__init__.py", "orders/__init__.py: packaging writes"),
    ],
)
def test_files_that_belong_to_no_collection(tmp_path: Path, name: str, expected: str) -> None:
    write_orders(tmp_path)
    (tmp_path / "orders" / name).write_text("")
    assert expected in refusal(tmp_path)


def test_folders_in_a_collection(tmp_path: Path) -> None:
    write_orders(tmp_path)
    (tmp_path / "orders" / "more").mkdir()
    assert "orders/more is not a file of a collection" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["schema.json", "operations.py", "prices.py", "README.md"])
def test_links_are_refused(tmp_path: Path, name: str) -> None:
    folder = write_orders(tmp_path / "collections")
    (tmp_path / "elsewhere").write_text("{}")
    (folder / "orders" / name).unlink(missing_ok=True)
    (folder / "orders" / name).symlink_to(tmp_path / "elsewhere")
    assert f"orders/{name} is a link" in refusal(folder)


def test_a_link_to_a_collection_is_refused(tmp_path: Path) -> None:
    write_orders(tmp_path / "elsewhere")
    folder = write_orders(tmp_path / "collections", "others")
    (folder / "orders").symlink_to(tmp_path / "elsewhere" / "orders")
    assert "collections/orders is a link" in refusal(folder)


def test_modules_that_nothing_imports(tmp_path: Path) -> None:
    write_orders(tmp_path, operations=None, prices="ONE = 1\n")
    assert "orders has prices.py but no operations.py" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def ship(:\n", "operations.py, line 1: "),
        ("x = 1\n  y = 2\n", "operations.py, line 2: unexpected indent"),
        ("x = '\0'\n", "operations.py"),
        (
            "import json\nimport boto3\n",
            "operations.py, line 2: imports boto3; operations import the standard library",
        ),
        ("def f():\n    from requests import get\n", "line 2: imports requests"),
        ("import jobpipe\n", "line 1: imports jobpipe; operations import only jobpipe.operation of jobpipe"),
        ("from jobpipe import domain\n", "line 1: imports jobpipe.domain"),
        ("from jobpipe.domain.documents.item import Item\n", "line 1: imports jobpipe.domain.documents.item"),
        ("import infra.settings\n", "line 1: imports infra.settings"),
        (
            "import prices\n",
            "line 1: imports prices, which is a module of the same folder: write from . import prices",
        ),
        ("from prices import ONE\n", "write from . import prices"),
        ("from . import price\n", "line 1: the collection's folder has no module price.py"),
        ("from .price import ONE\n", "line 1: the collection's folder has no module price.py"),
        ("from .schema import check\n", "line 1: the collection's folder has no module schema.py"),
        ("from ..others import operations\n", "line 1: from ..others is outside of the collection's folder"),
        (
            "@operation()\nasync def ship(order):\n    'x'\n",
            "line 2: ship is async; an operation is a plain function",
        ),
        ("@operation()\ndef ship(order):\n    pass\n", "line 2: ship has no docstring"),
        ("@o.operation()\ndef ship(order):\n    '  '\n", "line 2: ship has no docstring"),
        *(
            (
                f"@operation()\ndef {each.replace('-', '_')}(order):\n    'x'\n",
                f"line 2: {each} cannot be the name of",
            )
            for each in sorted(names.OPERATIONS)
        ),
    ],
)
def test_mistakes_in_operations_py_are_seen_before_it_runs(tmp_path: Path, code: str, expected: str) -> None:
    line = refusal(write_orders(tmp_path, operations=code, prices="ONE = 1\n"))
    assert expected in line
    assert "orders/operations.py" in line


def test_mistakes_in_further_modules(tmp_path: Path) -> None:
    write_orders(tmp_path, prices="import numpy\n")
    assert "orders/prices.py, line 1: imports numpy" in refusal(tmp_path)


@given(st.text(max_size=40))
def test_any_name_is_a_collection_or_refused(name: str) -> None:
    why = names.why_no_collection(name)
    assert (why is None) == (bool(COLLECTION_NAME.fullmatch(name)) and name not in names.RESERVED)


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_any_collection_toml_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: str | bytes
) -> None:
    folder = write_orders(tmp_path_factory.mktemp("x"))
    data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    (folder / "orders" / "collection.toml").write_bytes(data)
    assert "orders/collection.toml" in refusal(folder)


VALUES = st.recursive(
    st.sampled_from([None, True, False, 7, 7.5, "number", "customer", "invoice", "total", "a" * 70, "limit", ""]),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["title", "key", "unique", "indexes", "access", "builtin", "x"]), VALUES))
def test_any_values_in_collection_toml_are_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]
) -> None:
    lines = [f"{name} = {text}" for name, value in values.items() if (text := as_toml(value)) is not None]
    folder = write_orders(tmp_path_factory.mktemp("x"), collection="\n".join(lines))
    told = told_of(folder)
    assert "\n" not in told
    assert not told or "collection.toml" in told


def told_of(folder: Path) -> str:
    """Return what a folder is refused with, or nothing."""
    try:
        read_folder(folder)
    except OperatorError as error:
        return str(error)
    return ""


def as_toml(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, list):
        return f"[{', '.join(filter(None, map(as_toml, value)))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name} = {as_toml(each)}' for name, each in value.items() if each is not None)}}}"
    return json.dumps(value)


def test_the_example_is_valid(tmp_path: Path) -> None:
    """Otherwise the tests above would find another mistake than theirs."""
    assert len(read_folder(write_orders(tmp_path))) == 1
