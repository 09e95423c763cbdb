"""The page of the OpenAPI document is complete and static, and runs and loads nothing."""

from __future__ import annotations

import base64
import copy
import hashlib
import re
from html.parser import HTMLParser

import pytest

from api_lambda.chalicelib.contract.docs_page import page
from api_lambda.chalicelib.contract.openapi import document
from tests.helpers.memory import RETENTION
from tests.helpers.pipeline import Answer, Pipeline

DOCUMENT = document(RETENTION)
VOID = {"meta", "br"}
HARMLESS = {
    *("html", "head", "meta", "title", "style", "body", "header", "nav", "main", "section", "article"),
    *("h1", "h2", "h3", "h4", "p", "a", "ul", "li", "table", "thead", "tbody", "tr", "th", "td"),
    *("code", "pre", "span", "small", "br"),
}


class Page(HTMLParser):
    """Parse a page; raise AssertionError if elements are not properly closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, attribute: str) -> list[str]:
        return [str(attributes[attribute]) for _, attributes in self.elements if attribute in attributes]


@pytest.fixture
def answer(pipeline: Pipeline) -> Answer:
    return pipeline.request("GET", "/docs", owner="")


def test_the_page_is_small_html(answer: Answer) -> None:
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert len(answer.text.encode()) < 130_000
    assert answer.text.startswith("<!DOCTYPE html>")
    ids = Page(answer.text).values("id")
    assert len(ids) == len(set(ids))


def test_the_page_shows_all_that_is_documented(answer: Answer) -> None:
    text = Page(answer.text).text
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            assert f"{method.upper()} {path}" in text
            assert f"{operation['summary']}." in text
    for name in DOCUMENT["components"]["schemas"]:
        assert name in text
    for parameter in DOCUMENT["components"]["parameters"].values():
        assert parameter["name"] in text


def test_each_response_is_described_once_or_with_its_operation(answer: Answer) -> None:
    common = answer.text.partition('id="common-responses"')[2].partition("</section>")[0]
    in_common = set(re.findall(r"<tr><td><code>(\d+)</code>", common))
    assert in_common >= {"400", "403", "429", "500", "503"}
    for operation in (each for methods in DOCUMENT["paths"].values() for each in methods.values()):
        article = answer.text.partition(f'<article id="{operation["operationId"]}">')[2].partition("</article>")[0]
        own = re.findall(r"<tr><td><code>(\d+)</code>", article)
        linked = re.findall(r"\d+", article.partition('<a href="#common-responses">')[2])
        assert sorted(own + linked) == sorted(operation["responses"]), operation["operationId"]
        assert set(linked) <= in_common


def test_its_links_lead_somewhere(answer: Answer) -> None:
    shown = Page(answer.text)
    links = shown.values("href")
    assert {link for link in links if not link.startswith("#")} == {"openapi.json"}
    assert {link[1:] for link in links if link.startswith("#")} <= set(shown.values("id"))


def test_headings_go_down_by_one(answer: Answer) -> None:
    levels = [int(tag[1]) for tag, _ in Page(answer.text).elements if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip([0, *levels], levels, strict=False))


def test_the_page_runs_and_loads_nothing(answer: Answer) -> None:
    shown = Page(answer.text)
    assert {tag for tag, _ in shown.elements} <= HARMLESS
    attributes = {name for _, of_it in shown.elements for name in of_it}
    assert attributes <= {
        "lang",
        "charset",
        "name",
        "content",
        "aria-label",
        "href",
        "id",
        "class",
        "scope",
        "tabindex",
    }
    style = answer.text.partition("<style>")[2].partition("</style>")[0]
    assert not re.search(r"url\(|@import", style)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["style-src"] == f"'sha256-{digest}'"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_everything_is_escaped() -> None:
    evil = "<script>alert(1)</script>\"'&"

    def poison(value: object) -> object:
        if isinstance(value, dict):
            return {
                name: poison(each) if name not in ("$ref", "tags", "operationId", "properties") else each
                for name, each in value.items()
            }
        if isinstance(value, list):
            return [poison(each) for each in value]
        return f"{evil}{value}" if isinstance(value, str) else value

    changed = copy.deepcopy(DOCUMENT)
    for part in ("info", "paths", "components"):
        changed[part] = poison(changed[part])
    html = page(changed)
    assert "&lt;script&gt;" in html
    assert "<script" not in html
    assert "script" not in {tag for tag, _ in Page(html).elements}


def test_it_names_forbidden_members() -> None:
    for name in ("NewItem", "FieldsToSet", "MergePatch"):
        article = page(DOCUMENT).partition(f'id="schema-{name}"')[2].partition("</article>")[0]
        assert re.search(r"<code>id</code>.*not allowed", article), name
