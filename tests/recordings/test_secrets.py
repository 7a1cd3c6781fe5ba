"""Masks over secrets in bodies."""

import json

import pytest

from addon.recordings.secrets import masked

KEY = "sk-proj-abcdefghijklmnopqrst"


@pytest.mark.parametrize(
    "secret",
    [
        KEY,
        "sk-ant-api03-abcdefghijklmnop",
        "AIzaSyA1234567890abcdefghijklmnopqrstuv",
        "AKIAABCDEFGHIJKLMNOP",
        "ghp_abcdefghijklmnopqrstuvwxyz",
        "xoxb-1234567890-abcdef",
        "eyJhbGciOiJI.eyJzdWIiOiIx.abcdefghij",
    ],
)
def test_a_key_is_masked_wherever_it_stands_and_keeps_its_length(secret: str) -> None:
    body = json.dumps({"messages": [{"content": f"my key is {secret}, is it safe?"}]}).encode()
    clean = masked(body)
    assert secret.encode() not in clean
    assert len(clean) == len(body)
    assert json.loads(clean)["messages"][0]["content"].startswith(f"my key is {secret[:3]}**")


def test_members_that_hold_secrets_are_masked_also_in_json_inside_a_text() -> None:
    inner = json.dumps({"password": "hunter2"})
    clean = json.loads(masked(json.dumps({"api_key": "house", "arguments": inner, "passwords": "kept"}).encode()))
    assert clean == {"api_key": "*****", "arguments": '{"password": "*******"}', "passwords": "kept"}


def test_the_calls_own_credential_is_masked_whatever_it_looks_like() -> None:
    assert masked(b"it was house-credential-7", [b"house-credential-7"]) == b"it was hou" + b"*" * 15
    assert masked(b"a test", [b"test"]) == b"a test"  # too short: it would mask words


def test_words_and_binary_bodies_stay() -> None:
    for body in (b"risk-taking and desk-top", b"\x00\xff" + KEY.encode(), b"sk-short"):
        assert masked(body) == body
