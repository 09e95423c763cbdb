"""docs/client.md and the client's README: their examples run, and their lists are complete."""

import doctest
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import jobpipe_client
from jobpipe_client import Client, Collection, Webhooks, exceptions
from jobpipe_client.problem import PREFIX
from tests.client.service import KEY, Service

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "client.md").read_text()
README = (ROOT / "jobpipe_client" / "README.md").read_text()
TREE = inspect.getdoc(exceptions) or ""


def blocks(page: str) -> str:
    return "\n".join(re.findall(r"^```python\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL))


def test_the_examples_of_the_page_run_one_after_the_other(service: Service) -> None:
    names: dict[str, Any] = {"url": service.url, "key": KEY}
    example = doctest.DocTestParser().get_doctest(blocks(PAGE), names, "docs/client.md", "docs/client.md", 0)
    assert len(example.examples) > 30
    output: list[str] = []
    ran = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=output.append)
    assert ran.failed == 0, "".join(output)


def test_the_example_of_the_readme_runs(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    code, changed = re.subn(
        r'Client\("https://[^"]*", "the key"\)', f'Client("{service.url}", "{KEY}")', blocks(README)
    )
    assert changed == 1
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102
    assert capsys.readouterr().out == "shipped\n", "no command had a problem"
    assert len(service.items) == 1001
    assert next(iter(service.items.values()))["price"] == 11.95


@pytest.mark.parametrize("documented", [Client, Collection, Webhooks])
def test_the_reference_lists_every_method_as_it_is(documented: type) -> None:
    table = PAGE.partition("## Reference")[2].partition(f"| `{documented.__name__}` | |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)\((.*?)\)` \| (.*) \|$", table, flags=re.MULTILINE)
    methods = [
        name for name in vars(documented) if not name.startswith("_") and callable(getattr(documented, name))
    ]
    assert rows == [
        (
            name,
            ", ".join(each for each in inspect.signature(getattr(documented, name)).parameters if each != "self"),
            (inspect.getdoc(getattr(documented, name)) or "").partition("\n\n")[0].replace("\n", " "),
        )
        for name in methods
    ]


def test_the_tree_of_errors_is_that_of_the_classes() -> None:
    drawn = TREE.partition("\n\n")[2].strip()
    assert drawn in PAGE
    parents: list[str] = []
    found: set[str] = set()
    for line in drawn.splitlines():
        marks, name, meaning = re.match(r"([│├└─ ]*)(\w+) *(.*)", line).groups()  # type: ignore[union-attr]
        kind = getattr(jobpipe_client, name)
        depth = len(marks) // 3
        parents[depth:] = [name]
        found.add(name)
        assert kind.__base__.__name__ == (parents[depth - 1] if depth else "Exception")
        if slug := getattr(kind, "slug", None):
            status, drawn_slug = meaning.split()
            assert drawn_slug == slug
            problem = jobpipe_client.Problem.of({"type": PREFIX + slug}, status=int(status))
            assert type(exceptions.error_for(problem)) is kind
    exported = [getattr(jobpipe_client, name) for name in jobpipe_client.__all__]
    classes = [
        kind
        for kind in (*exported, *vars(exceptions).values())
        if inspect.isclass(kind) and issubclass(kind, Exception)
    ]
    assert found == {kind.__name__ for kind in classes}
