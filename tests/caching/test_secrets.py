"""The cache keeps no answer with a secret where [redact] is set."""

import gzip

import pytest

from addon.caching.secrets import has_secrets
from addon.caching.store import Stored
from tests.redaction.redacting import SECRETS, redactor

REDACTOR = redactor()


def answer(body: bytes, **headers: str) -> Stored:
    given = ((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())
    return Stored(
        status=200,
        headers=((b"content-type", b"application/json"), *given),
        chunks=(body[:7], body[7:]),
        latency_ms=1,
        request_id="x",
        started_at_us=0,
    )


def test_an_answer_without_secrets_may_be_kept() -> None:
    assert not has_secrets(REDACTOR, answer(b'{"text": "Hello"}'), "seed")
    assert not has_secrets(REDACTOR, answer(gzip.compress(b'{"text": "Hello"}'), content_encoding="gzip"), None)


@pytest.mark.parametrize("kind", SECRETS)
def test_an_answer_with_a_secret_is_not_kept(kind: str) -> None:
    body = b'{"text": "%b"}' % SECRETS[kind].encode()
    assert has_secrets(REDACTOR, answer(body), None)
    assert has_secrets(REDACTOR, answer(gzip.compress(body), content_encoding="gzip"), None)
    assert has_secrets(REDACTOR, answer(b"{}", x_note=SECRETS[kind]), None)
    assert has_secrets(REDACTOR, answer(b"{}"), f"for {SECRETS[kind]}")


def test_an_answer_in_an_unknown_coding_is_not_kept() -> None:
    assert has_secrets(REDACTOR, answer(b"\x00\xff\xfe", content_encoding="secret"), None)
