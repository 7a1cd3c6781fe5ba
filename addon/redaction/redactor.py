"""The door of this room: text and bodies in, the same without secrets out. Pure but for the key."""

from collections.abc import Sequence

from addon.redaction.bodies import body_without_secrets, kept_body_without_secrets
from addon.redaction.rules import USER, Rules
from addon.redaction.search import SecretSearch, applied


class Redactor:
    """`key`: of the pseudonyms, see `key.py`. Making one takes 50 ms; it may be used from several threads."""

    def __init__(self, rules: Rules, key: bytes) -> None:
        self._rules, self._key = rules, key
        self._search = SecretSearch(rules, key)

    def __eq__(self, other: object) -> bool:
        """Whether both give the same text."""
        return isinstance(other, Redactor) and (self._rules, self._key) == (other._rules, other._key)

    __hash__ = None  # type: ignore[assignment]  # nobody looks one up

    def text(self, text: str) -> str:
        """Plain text: a name, an error message, the words of an answer."""
        return self.texts((text,))[0]

    def texts(self, texts: Sequence[str]) -> list[str]:
        """Several plain texts at once, which is much cheaper where they are short."""
        found, data = list(texts), [_utf8(text) for text in texts]
        for at, edits in self._search.edits_in(data):
            found[at] = applied(data[at], edits).decode("utf-8", "surrogatepass")
        return found

    def body(self, body: bytes, content_type: str | None = None) -> bytes | None:
        """A body that is not compressed. JSON, event streams, lines of JSON and forms stay what they are; what is found nowhere is
        returned as it is. None: it says it is text and is not, so it must not be kept."""
        return body_without_secrets(self._search, body, content_type)

    def kept_body(self, body: str) -> str | None:
        """A body as the table `bodies` has it: text, or a `data:` URL in base64. None: it must not be kept."""
        return kept_body_without_secrets(self._search, body)

    def user(self, user_id: str) -> str:
        """A user id: all of it is one pseudonym where the rules say so."""
        if not self._rules.users:
            return self.text(user_id)
        return self._search.replacing(_utf8(user_id), USER).decode("utf-8", "surrogatepass")


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
