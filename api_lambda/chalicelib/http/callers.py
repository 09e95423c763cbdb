"""Find the owner and the role of an API key.

A key consists of its owner's name, a letter for its role, and 32 hex digits of secret. The gateway has checked that
the key exists, so the Lambda trusts the name and the letter and needs no table of keys. A new key of the same owner
is the same caller. Text in another form, such as two keys in one header, never stands for a named owner.

Neither names nor secrets have upper-case letters, so the letter of the role is unambiguous: `bobreader…` is a key
of an owner `bobreader`. Keys without a letter come from earlier releases, and keep their rights.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from jobpipe.domain.errors import Forbidden

OWNER = re.compile("[a-z][a-z0-9]{0,62}")
UNNAMED_OWNER = re.compile("key-[0-9a-f]{32}")
"""The owner of a key in another form; no owner's name has a hyphen."""
_KEY = re.compile(rf"({OWNER.pattern})([RWO]?)[0-9a-f]{{32}}")


class Right(Enum):
    """A right that a route requires."""

    READ = auto()
    CHANGE = auto()
    SEE_STATS = auto()
    SEE_ALL_FAILURES = auto()  # the failed and retrying jobs of all owners


class Role(StrEnum):
    """The purpose for which a key was created."""

    READER = "reader"
    WRITER = "writer"
    OPERATOR = "operator"

    @property
    def letter(self) -> str:
        """The letter in the keys of this role."""
        return self.value[0].upper()


_RIGHTS: dict[Role | None, tuple[Right, ...]] = {  # tuples, because hashing a right for a set takes longer
    Role.READER: (Right.READ,),
    Role.WRITER: (Right.READ, Right.CHANGE),
    None: (Right.READ, Right.CHANGE, Right.SEE_STATS),
    Role.OPERATOR: (*Right,),
}
_BY_LETTER: dict[str, Role | None] = {"": None, **{role.letter: role for role in Role}}


@dataclass(frozen=True, slots=True)
class Caller:
    """The owner of a key, and the key's role; None for a key without one."""

    owner: str
    role: Role | None = None

    def may(self, right: Right) -> bool:
        """Return whether the key has this right."""
        return right in _RIGHTS[self.role]

    def check(self, right: Right) -> None:
        """Raise Forbidden if the key does not have this right."""
        if not self.may(right):
            role = self.role and self.role.value
            named = f"The role of this key, {role}," if role else "This key has no role, which"
            who = [role.value for role in Role if right in _RIGHTS[role]]
            needed = " or ".join(f"{'an' if each[0] in 'aeiou' else 'a'} {each}'s" for each in who)
            raise Forbidden(f"{named} does not allow this request: it needs {needed} key.")


def caller_of(api_key: str) -> Caller:
    """Return the key's owner and role; raise Forbidden if there is no key."""
    if not api_key:
        raise Forbidden("The x-api-key header must have a valid API key.")
    if "," in api_key:  # two headers; it is not known which of them the gateway has checked
        raise Forbidden("A request must have one x-api-key header.")
    match = _KEY.fullmatch(api_key)
    if match:
        return Caller(match[1], _BY_LETTER[match[2]])
    # Jobs are stored with their owner, but keys must not be stored, so the owner's name contains a digest.
    return Caller(f"key-{hashlib.sha256(api_key.encode()).hexdigest()[:32]}")


def owner_of(api_key: str) -> str:
    """Return the owner's name, derived from the digest for a key in another form; raise Forbidden without a key."""
    return caller_of(api_key).owner
