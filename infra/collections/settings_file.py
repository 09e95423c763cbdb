"""Reads a collection's collection.toml."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.collections.names import MAX_INDEXES, MAX_UNIQUE, nearest, why_no_look_up
from infra.errors import OperatorError

FILE = "collection.toml"
ACCESS = ("shared", "own")
_KEYS = ("title", "key", "unique", "indexes", "access")
_MAX_FIELDS = {"unique": MAX_UNIQUE, "indexes": MAX_INDEXES}
_MAX_TITLE = 64


@dataclass(frozen=True)
class CollectionSettings:
    """The content of collection.toml."""

    title: str
    key: str | None = None
    unique: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    access: str = "shared"
    builtin: bool = False

    @property
    def fields(self) -> dict[str, str]:
        """The fields of look-ups, each with the key of collection.toml that names the field."""
        named = [*((each, "indexes") for each in self.indexes), *((each, "unique") for each in self.unique)]
        return dict(named) | ({self.key: "key"} if self.key else {})


class SettingsFile:
    """A collection.toml. Errors name the file, the line and the key."""

    def __init__(self, path: Path, shown: str) -> None:
        self._shown = shown
        self._text = read_text(path, shown)

    def read(self) -> CollectionSettings:
        """Return the settings; raise OperatorError if they are not valid."""
        try:
            found = tomllib.loads(self._text)
        except tomllib.TOMLDecodeError as error:
            raise OperatorError(f"{self._shown} is not valid TOML: {error}") from None
        for name in found:
            if name not in {*_KEYS, "builtin"}:
                raise self.error(name, f"there is no key {name}{nearest(name, _KEYS)}")
        title = self._title(found)
        if "builtin" in found:
            return self._builtin(found, title)
        settings = CollectionSettings(
            title,
            self._field("key", found["key"]) if "key" in found else None,
            self._fields("unique", found),
            self._fields("indexes", found),
            self._access(found),
        )
        if settings.key in settings.unique:
            raise self.error("unique", f"{settings.key} is already the key, and a key is unique")
        if settings.key in settings.indexes:
            raise self.error("indexes", f"{settings.key} is already the key, by which documents are found")
        for field in settings.indexes:
            if field in settings.unique:
                raise self.error("indexes", f"{field} is already unique, and documents are found by unique fields")
        return settings

    def error(self, key: str, problem: str) -> OperatorError:
        """Return the error about a key."""
        pattern = re.compile(rf"\s*(\[+\s*)?[\"']?{re.escape(key)}[\"']?\s*[=.\]]")
        lines = (number for number, line in enumerate(self._text.splitlines(), 1) if pattern.match(line))
        line = next(lines, None)
        return OperatorError(f"{self._shown}{f', line {line}' if line else ''}: {problem}")

    def _title(self, found: dict[str, Any]) -> str:
        if "title" not in found:
            raise OperatorError(f'{self._shown} has no title, such as title = "Order"')
        title = found["title"]
        if not isinstance(title, str) or not title.strip() or len(title) > _MAX_TITLE or not title.isprintable():
            raise self.error("title", f"title must be one line of text, up to {_MAX_TITLE} characters")
        return title

    def _builtin(self, found: dict[str, Any], title: str) -> CollectionSettings:
        others = sorted(found.keys() - {"title", "builtin"})
        if found["builtin"] is not True or others:
            raise self.error(
                others[0] if others else "builtin", "a collection with builtin = true may have only a title"
            )
        return CollectionSettings(title, builtin=True)

    def _access(self, found: dict[str, Any]) -> str:
        access = found.get("access", "shared")
        if access not in ACCESS:
            guess = nearest(access, ACCESS) if isinstance(access, str) else ""
            raise self.error("access", f'access must be "shared" or "own", not {access!r}{guess}')
        return str(access)

    def _fields(self, key: str, found: dict[str, Any]) -> tuple[str, ...]:
        value = found.get(key, [])
        if not isinstance(value, list):
            raise self.error(key, f'{key} must be a list of fields, such as {key} = ["customer"]')
        fields = tuple(self._field(key, each) for each in value)
        for field in fields:
            if fields.count(field) > 1:
                raise self.error(key, f"{field} is listed twice in {key}")
        if len(fields) > _MAX_FIELDS[key]:
            raise self.error(key, f"{key} has {len(fields)} fields; the maximum is {_MAX_FIELDS[key]}")
        return fields

    def _field(self, key: str, value: Any) -> str:
        if not isinstance(value, str) or not value:
            raise self.error(key, f"{key} must name a field of the schema, not {value!r}")
        why = why_no_look_up(value)
        if why:
            raise self.error(key, f"{key} cannot be {value}, which {why}; rename the field")
        return value


def read_text(path: Path, shown: str) -> str:
    """Return the content of a file in UTF-8; raise OperatorError if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise OperatorError(f"{shown} is not in UTF-8 (byte {error.start + 1})") from None
    except OSError as error:
        raise OperatorError(f"{shown} cannot be read: {error.strerror}") from None
