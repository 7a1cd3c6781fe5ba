"""Asking a stream for its usage."""

import json

import pytest

from addon.sending.stream_usage import with_include_usage


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ('{"stream":true}', '{"stream_options":{"include_usage":true},"stream":true}'),
        ('{ "stream": true, "n": 1.0 }', '{"stream_options":{"include_usage":true}, "stream": true, "n": 1.0 }'),
        ('{"stream":true,"stream_options":null}', '{"stream":true,"stream_options":{"include_usage":true}}'),
        ('{"stream":true,"stream_options": { }}', '{"stream":true,"stream_options": {"include_usage":true }}'),
        (
            '{"stream":true,"stream_options":{"include_obfuscation":false}}',
            '{"stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false}}',
        ),
        (
            '{"stream":true,"stream_options":{"include_usage": false}}',
            '{"stream":true,"stream_options":{"include_usage": true}}',
        ),
    ],
)
def test_usage_is_asked_for_and_the_rest_of_the_body_stays(body: str, asked: str) -> None:
    fresh = with_include_usage(body.encode())
    assert fresh == asked.encode()
    assert json.loads(fresh)["stream_options"]["include_usage"] is True


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b"{}", b'{"stream":false}', b'{"stream":null}', b'{"stream":"true"}', b'{"stream":1}'),
        *(b'{"stream":true,"stream_options":{"include_usage":true}}', b'{"stream":true,"stream_options":7}'),
        *(b'{"stream":true', b'{"stream":true,"m":"\xff"}', b"\x28\xb5\x2f\xfd compressed"),
    ],
)
def test_where_there_is_nothing_to_ask_the_body_passes_as_it_is(body: bytes) -> None:
    assert with_include_usage(body) is None


def test_asking_twice_is_asking_once() -> None:
    fresh = with_include_usage(b'{"stream":true,"messages":[]}')
    assert fresh is not None
    assert with_include_usage(fresh) is None


def test_numbers_and_escapes_of_the_caller_are_not_rewritten() -> None:
    body = b'{"stream":true,"seed":123456789012345678901234567890,"temperature":0.10,"messages":[{"content":"\\ud83d\\u00e9 \xc3\xa9"}]}'
    assert with_include_usage(body) == b'{"stream_options":{"include_usage":true},' + body[1:]
