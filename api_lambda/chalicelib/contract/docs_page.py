"""Render the OpenAPI document as one static page that has no script and loads nothing."""

from __future__ import annotations

import json
import re
from collections import Counter
from html import escape
from typing import Any

from ..http.security_headers import security_headers
from .openapi import COMMON_HEADERS

Node = dict[str, Any]

_COMMON = 10  # a response that so many operations share is described once

_STYLE = """
:root{color-scheme:light dark;--ink:#1d2329;--dim:#57606a;--paper:#fff;--line:#d5dae0;--soft:#f4f6f8;--link:#0a58ca;
--get:#0b6b3a;--post:#7a4a00;--put:#5a3ea8;--delete:#b02a2a}
@media(prefers-color-scheme:dark){:root{--ink:#dfe5eb;--dim:#9aa5b1;--paper:#14181c;--line:#333b44;--soft:#1c2228;
--link:#7db2ff;--get:#6fd39b;--post:#e8b45a;--put:#b9a3ff;--delete:#ff8f8f}}
*{box-sizing:border-box}
html{scroll-padding-top:1rem}
body{margin:0 auto;max-width:60rem;padding:1rem 1rem 4rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1,h2,h3,h4{line-height:1.25;margin:2rem 0 .5rem}h1{margin-top:0}h4{font-size:1rem;margin-top:1.25rem}
h2{border-bottom:1px solid var(--line);padding-bottom:.25rem}h3{font-size:1.1rem}
a{color:var(--link)}p{margin:.5rem 0}small{color:var(--dim);font-size:.875em}
code,pre{font:.9em/1.45 ui-monospace,monospace}pre{background:var(--soft);padding:.75rem;overflow-x:auto}
pre code{font-size:1em;overflow-wrap:normal}
table{border-collapse:collapse;width:100%;margin:.5rem 0}
th,td{border-top:1px solid var(--line);padding:.4rem .6rem .4rem 0;text-align:left;vertical-align:top}
td:first-child,th:first-child{width:27%;min-width:8.5rem}
nav ul{list-style:none;padding:0;margin:.25rem 0;columns:18rem}nav li{margin:.15rem 0}
article{border-top:1px solid var(--line);margin-top:2rem}.m{font-weight:700}
.get{color:var(--get)}.post{color:var(--post)}.put,.patch{color:var(--put)}.delete{color:var(--delete)}
"""


def headers() -> dict[str, str]:
    """Return the security headers of the page."""
    return security_headers(style=_STYLE)


def page(document: Node) -> str:
    """Return the page of an OpenAPI document."""
    return _Page(document).html()


class _Page:
    def __init__(self, document: Node) -> None:
        self.document = document
        # If each operation repeated these responses, they would be a third of the page.
        operations = [each for methods in document["paths"].values() for each in methods.values()]
        counts = Counter(row for operation in operations for row in self._responses(operation))
        self._common = sorted({row for row, count in counts.items() if count >= _COMMON})

    def html(self) -> str:
        info = self.document["info"]
        title = f"{escape(info['title'])} {escape(info['version'])}"
        scheme = self.document["components"]["securitySchemes"]["apiKey"]
        groups = "".join(self._group(tag) for tag in self.document["tags"])
        described = "".join(self._schema(*each) for each in self.document["components"]["schemas"].items())
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{title}: the HTTP API</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
            f"<header><h1>{title}</h1>\n<p>{_prose(info['summary'])}</p>\n<p>{_prose(info['description'])}</p>\n"
            '<p>This page shows <a href="openapi.json">openapi.json</a>. Requests carry an API key in the header '
            f"{_code(scheme['name'])}, unless they are marked as open. Every response has "
            f"{', '.join(map(_code, COMMON_HEADERS))}.</p></header>\n"
            f"{self._navigation()}\n<main>\n{groups}\n"
            f'<section id="common-responses"><h2>Common responses</h2>{_responses_table(self._common)}</section>\n'
            f'<section id="schemas"><h2>Schemas</h2>\n{described}</section>\n'
            "</main>\n</body>\n</html>\n"
        )

    def _navigation(self) -> str:
        entries = "".join(
            f'<li><a href="#{_anchor(operation["operationId"])}">{_method(method)} {escape(path)}</a></li>'
            for tag in self.document["tags"]
            for method, path, operation in self._tagged(tag)
        )
        for name in ("Common responses", "Schemas"):
            entries += f'<li><a href="#{_anchor(name.lower())}">{name}</a></li>'
        return f'<nav aria-label="Operations"><ul>{entries}</ul></nav>'

    def _group(self, tag: Node) -> str:
        inside = "".join(self._operation(*each) for each in self._tagged(tag))
        return (
            f'<section id="tag-{_anchor(tag["name"])}"><h2>{escape(tag["name"].capitalize())}</h2>'
            f"<p>{_prose(tag['description'])}</p>{inside}</section>\n"
        )

    def _tagged(self, tag: Node) -> list[tuple[str, str, Node]]:
        return [
            (method, path, operation)
            for path, methods in self.document["paths"].items()
            for method, operation in methods.items()
            if tag["name"] in operation["tags"]
        ]

    def _operation(self, method: str, path: str, operation: Node) -> str:
        parts = [
            f'<article id="{_anchor(operation["operationId"])}">',
            f"<h3>{_method(method)} {_code(path)}</h3>",
            f"<p>{_prose(operation['summary'])}.</p>",
        ]
        if operation.get("description"):
            parts.append(f"<p>{_prose(operation['description'])}</p>")
        if operation.get("security") == []:
            parts.append("<p>Open: no API key is needed.</p>")
        parameters = [self._resolve(parameter) for parameter in operation.get("parameters", [])]
        if parameters:
            parts.append("<h4>Parameters</h4>" + _table(("Name", "Meaning"), map(self._parameter, parameters)))
        if "requestBody" in operation:
            parts.append(f"<h4>Request body</h4><p>{self._content(operation['requestBody']['content'])}</p>")
        rows = self._responses(operation)
        own = [row for row in rows if row not in self._common]
        parts.append(f"<h4>Responses</h4>{_responses_table(own)}")
        if common := ", ".join(row[0] for row in rows if row in self._common):
            parts.append(f'<p>And the <a href="#common-responses">common responses</a> {common}.</p>')
        return "".join(parts) + "</article>\n"

    def _responses(self, operation: Node) -> list[tuple[str, str]]:
        found = operation["responses"].items()
        return [(_code(status), self._response(self._resolve(each))) for status, each in found]

    def _parameter(self, parameter: Node) -> tuple[str, str]:
        needed = ", required" if parameter.get("required") else ""
        kind = self._describe(parameter["schema"])
        if "example" in parameter:
            kind += f", for example {_code(str(parameter['example']))}"
        return (
            f"{_code(parameter['name'])} <small>{escape(parameter['in'])}{needed}</small>",
            f"{_prose(parameter['description'])}<br><small>{kind}</small>",
        )

    def _response(self, response: Node) -> str:
        named = ", ".join(_code(name) for name in response["headers"] if name not in COMMON_HEADERS)
        types = [
            _code(kind)
            for media in response["content"].values()
            for kind in media["schema"].get("properties", {}).get("type", {}).get("enum", ())
        ]
        parts = [_prose(response["description"]), self._content(response["content"])]
        if types:
            parts.append(f"type {' or '.join(types)}")
        if named:
            parts.append(f"headers {named}")
        first, *others = parts
        return first + "".join(f"<br><small>{part}</small>" for part in others)

    def _content(self, content: Node) -> str:
        kinds = " or ".join(map(_code, content))
        schema = next(iter(content.values()))["schema"]
        return f"{kinds}: {self._describe(schema)}"

    def _schema(self, name: str, schema: Node) -> str:
        parts = [f'<article id="schema-{_anchor(name)}"><h3>{escape(name)}</h3>']
        if schema.get("description"):
            parts.append(f"<p>{_prose(schema['description'])}</p>")
        parts.append(f"<p>{self._describe({k: v for k, v in schema.items() if k != 'description'})}</p>")
        rows = [
            (_code(member) + _required(member, schema), self._member(part))
            for member, part in schema.get("properties", {}).items()
        ]
        rows += [(_code(member), "not allowed") for member in schema.get("not", {}).get("required", [])]
        if rows:
            parts.append(_table(("Member", "Meaning"), rows))
        for example in schema.get("examples", []):
            text = escape(json.dumps(example, indent=2, ensure_ascii=False), quote=False)
            parts.append(f'<pre tabindex="0"><code>{text}</code></pre>')
        return "".join(parts) + "</article>\n"

    def _member(self, part: Node) -> str:
        kind = self._describe({key: value for key, value in part.items() if key != "description"})
        return f"{_prose(part['description'])}<br><small>{kind}</small>" if "description" in part else kind

    def _describe(self, schema: Node) -> str:
        """Describe the values of the schema in a few words."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return f'<a href="#schema-{_anchor(name)}">{escape(name)}</a>'
        if "oneOf" in schema:
            return " or ".join(map(self._describe, schema["oneOf"]))
        if "allOf" in schema and "type" not in schema:
            return " and ".join(map(self._describe, schema["allOf"]))
        if "const" in schema:
            return _code(json.dumps(schema["const"]))
        if "enum" in schema:
            return "one of " + ", ".join(_code(str(value)) for value in schema["enum"])
        kind = schema.get("type", "any JSON")
        text = escape(" or ".join(kind) if isinstance(kind, list) else kind)
        if kind == "array":
            text += f" of {self._describe(schema['items'])}"
        limits = [words.format(schema[key]) for key, words in _LIMITS.items() if key in schema]
        text += (", " if limits else "") + escape(", ".join(limits))
        if "pattern" in schema:
            text += f", as {_code(schema['pattern'])}"
        return text

    def _resolve(self, node: Node) -> Node:
        if "$ref" not in node:
            return node
        _, kind, name = node["$ref"].removeprefix("#/").split("/")
        found: Node = self.document["components"][kind][name]
        return found


_LIMITS = {
    "format": "format {}",
    "minLength": "{} or more characters",
    "maxLength": "at most {} characters",
    "minimum": "from {}",
    "maximum": "to {}",
    "minItems": "{} or more",
    "maxItems": "at most {}",
    "minProperties": "{} or more members",
    "default": "default {}",
}


def _table(columns: tuple[str, ...], rows: Any) -> str:
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _responses_table(rows: list[tuple[str, str]]) -> str:
    return _table(("Status", "Meaning"), rows)


def _required(member: str, schema: Node) -> str:
    return " <small>required</small>" if member in schema.get("required", ()) else ""


def _method(method: str) -> str:
    return f'<span class="m {_anchor(method)}">{escape(method.upper())}</span>'


def _anchor(name: str) -> str:
    return re.sub("[^A-Za-z0-9-]", "-", name)


def _code(text: str) -> str:
    return f"<code>{escape(text, quote=False)}</code>"


def _prose(text: str) -> str:
    """Return the text as the content of an element; `…` becomes code."""
    return re.sub("`([^`]*)`", r"<code>\1</code>", escape(text, quote=False))
