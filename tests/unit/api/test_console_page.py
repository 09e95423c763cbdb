"""The served console is small, loads nothing from elsewhere, and has no rights that it does not need."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest

from infra.packaging.source_files import app_files
from infra.settings import ROOT
from tests.helpers.pipeline import Answer, Pipeline
from tests.unit.api.test_docs_page import Page

FOLDER = ROOT / "api_lambda" / "chalicelib" / "console"
BUDGET = 150_000  # bytes; a page that anyone may ask for


@pytest.fixture
def answer(pipeline: Pipeline) -> Answer:
    return pipeline.request("GET", "/console", owner="")


_COMMENT = re.compile(r"(?m)(^|\s)//.*$")


def inside(answer: Answer, tag: str) -> str:
    assert answer.text.count(f"<{tag}>") == 1
    return answer.text.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]


def policy(answer: Answer) -> dict[str, str]:
    directives = answer.headers["content-security-policy"].split("; ")
    return dict(directive.split(" ", 1) for directive in directives)


def test_the_page_is_small_and_may_be_cached(answer: Answer) -> None:
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.text.startswith("<!doctype html>")
    assert len(answer.text.encode()) < BUDGET
    assert answer.headers["cache-control"] == "public, max-age=300"


def test_it_has_all_of_its_parts(answer: Answer) -> None:
    script, style = inside(answer, "script"), inside(answer, "style")
    for path in FOLDER.iterdir():
        if path.suffix == ".css":
            wanted = set(re.findall(r"[.#][a-z][\w-]+", path.read_text()))
            assert len(wanted) > 100
            assert [each for each in wanted if each not in style] == []
        if path.suffix == ".js":
            names = set(re.findall(r"(?m)^(?:async )?(?:function|const|let) (\w+|\$)", path.read_text()))
            assert names, path.name
            assert [name for name in names if not re.search(rf"(?<![\w$.]){re.escape(name)}[=(,;]", script)] == []
    assert "{{" not in answer.text
    files = {path for path in FOLDER.iterdir() if path.is_file()}
    assert {path for path in app_files(ROOT / "api_lambda") if path.parent == FOLDER} == files


def test_texts_in_the_scripts_stay_as_they_are(answer: Answer) -> None:
    scripts = _COMMENT.sub("", "".join(path.read_text() for path in FOLDER.glob("*.js")))
    sentences = re.findall(r'"([A-Z][^"\\\n]{20,})"', scripts)
    patterns = re.findall(r"(?:= |\()(/\^[^/\n]{4,}/[a-z]*)[;.,)]", scripts)
    templates = re.findall(r"(?<=[ (])`([A-Z][^`\\\n$]{8,})\$\{", scripts)
    assert min(map(len, (sentences, patterns, templates))) > 3
    assert [each for each in (*sentences, *patterns, *templates) if each not in answer.text] == []


def test_words_beside_elements_keep_their_spaces(answer: Answer) -> None:
    """The minifier takes white space between elements of a div for indentation."""
    inline = re.compile(
        r"(?:\w|[.:;,]|</(?:a|bdi|code|span|strong)>) +<(?:a|bdi|code|span|strong)\b|</(?:a|code|strong)> +\w"
    )
    source = (FOLDER / "page.html").read_text()
    assert len(inline.findall(source)) > 10
    assert len(inline.findall(answer.text.partition("<script>")[0])) == len(inline.findall(source))


def test_no_comment_is_served(answer: Answer) -> None:
    assert "<!--" not in answer.text
    assert "@__PURE__" not in answer.text
    comments = [
        line.strip()
        for path in FOLDER.glob("*.js")
        for line in path.read_text().splitlines()
        if line.lstrip().startswith("//")
    ]
    assert len(comments) > 100
    assert [each for each in comments if each in answer.text] == []


def test_no_text_of_a_script_or_the_page_spans_lines() -> None:
    """The page is served without the indentation of its lines, which must not be a part of a text."""
    for path in FOLDER.glob("*.js"):
        for line in path.read_text().replace(r"/^`([^`]+)` is", "").splitlines():
            assert line.count("`") % 2 == 0, f"{path.name}: {line}"
    html = (FOLDER / "page.html").read_text()
    assert not [each for each in re.findall(r"(?s)<(pre|textarea)\b[^>]*>(.*?)</\1>", html) if each[1]]


def test_each_script_is_small_enough_to_read() -> None:
    assert {path.name for path in FOLDER.glob("*.js") if path.read_text().count("\n") > 300} == set()


def test_the_page_may_run_only_its_script_and_request_only_its_api(answer: Answer) -> None:
    def digest(tag: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(inside(answer, tag).encode()).digest()).decode()}'"

    assert policy(answer) == {
        "default-src": "'none'",
        "script-src": digest("script"),
        "style-src": digest("style"),
        "img-src": "data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_page_loads_nothing_from_elsewhere(answer: Answer) -> None:
    """The page does not contain its own address, so that any prefix works."""
    names = {"http://www.w3.org/2000/svg"}  # of a namespace: it is not asked for
    assert set(re.findall(r"(?:https?:)?//[\w.-]+\.[a-z]{2,}[\w./-]*", answer.text)) <= names
    assert not re.search(r"\burl\(|@import|import\s*\(|importScripts|new Worker|WebSocket|EventSource", answer.text)
    attributes = [(name, value) for _, of_it in elements(answer) for name, value in of_it.items()]
    links = {value or "" for name, value in attributes if name in {"href", "src", "action"}}
    assert all(link.startswith(("#", "data:image/svg+xml,")) or link in {"docs", "openapi.json"} for link in links)
    assert not [name for name, _ in attributes if name == "style" or name.startswith("on")]


def test_text_of_others_never_becomes_markup(answer: Answer) -> None:
    script = inside(answer, "script")
    for sink in ("insertAdjacentHTML", "document.write", "eval(", "new Function", "srcdoc"):
        assert sink not in script
    assert not re.search(r"(inner|outer)HTML\s*\+?=(?!=)|setTimeout\(\s*[\"'`]", script)
    assert "localStorage" not in script
    assert "document.cookie" not in script


def test_every_input_has_a_label_and_every_reference_leads_somewhere(answer: Answer) -> None:
    of_all = elements(answer)
    ids = [of_it["id"] for _, of_it in of_all if "id" in of_it]
    assert len(ids) == len(set(ids))
    labelled = {of_it["for"] for tag, of_it in of_all if tag == "label" and "for" in of_it}
    inputs = {
        of_it.get("id")
        for tag, of_it in of_all
        if tag in {"input", "textarea", "select"} and of_it.get("type") != "radio"
    }
    assert inputs == labelled
    for name in ("aria-describedby", "aria-labelledby"):
        assert {each for _, of_it in of_all for each in (of_it.get(name) or "").split()} <= set(ids)
    used = set(re.findall(r"\$\(\"([\w-]+)\"\)", inside(answer, "script")))
    made = {"name-oldest", "tile-dead", "tile-parked"}  # by the script itself
    assert used <= set(ids) | made


def elements(answer: Answer) -> list[tuple[str, dict[str, str | None]]]:
    """Return the elements except the script, whose text is no markup."""
    html = answer.text.replace(inside(answer, "script"), "")
    return Page(re.sub(r"<(link|input|rect|path)\b([^>]*?)/?>", r"<\1\2></\1>", html)).elements
