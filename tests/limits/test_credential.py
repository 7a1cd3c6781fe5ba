"""Whose bucket a call takes from: the credential that its provider reads, whatever else is sent."""

import pytest

from addon.config.controls import credential_for, parse_controls

GOOD = "the good one"


@pytest.mark.parametrize(
    ("provider", "header", "other"),
    [
        ("anthropic", "x-api-key", "authorization"),
        ("azure", "api-key", "authorization"),
        ("gemini", "x-goog-api-key", "authorization"),
        ("openai", "authorization", "x-api-key"),
        ("openai", "authorization", "api-key"),
        ("bedrock", "authorization", "x-goog-api-key"),
    ],
)
def test_a_second_credential_makes_no_new_bucket(provider: str, header: str, other: str) -> None:
    for random in ("a", "b"):
        controls = parse_controls([(other, random), (header, GOOD)])
        assert credential_for(provider, controls) == GOOD


def test_a_key_in_the_query_counts_where_the_provider_reads_it_there() -> None:
    controls = parse_controls([("authorization", "random")])
    assert credential_for("gemini", controls, "/v1/models/m:generateContent?alt=sse&key=good") == "good"
    assert credential_for("openai", controls, "/v1/chat/completions?key=good") == "random"


def test_a_provider_that_reads_another_header_is_told_by_the_one_there_is() -> None:
    assert credential_for("anthropic", parse_controls([("authorization", GOOD)])) == GOOD
    assert credential_for("anthropic", parse_controls([])) is None
