"""Of a call's headers only those on a list are kept: no secret, and not much of anything."""

from addon.config.kept_headers import LONGEST_VALUE, MOST_HEADERS, of_answer, of_request

SECRETS = (
    *(b"Authorization", b"Cookie", b"X-Api-Key", b"api-key", b"x-goog-api-key", b"Proxy-Authorization"),
    *(b"Helicone-Auth", b"OpenAI-Organization", b"X-Amz-Security-Token", b"cf-aig-authorization", b"X-Own"),
)


def test_no_credential_is_kept() -> None:
    fields = [(name, b"sk-secret") for name in SECRETS]
    assert of_request(fields) == of_answer(fields) == {}
    assert of_answer([(b"Set-Cookie", b"session=1"), (b"openai-organization", b"acme")]) == {}


def test_what_tells_of_the_call_is_kept_by_lower_case_name() -> None:
    request = [(b"Anthropic-Version", b"2023-06-01"), (b"X-Stainless-Retry-Count", b"1"), (b"Content-Type", b"a/b")]
    assert of_request(request) == {
        "anthropic-version": "2023-06-01",
        "x-stainless-retry-count": "1",
        "content-type": "a/b",
    }
    answer = [(b"x-request-id", b"req_1"), (b"X-RateLimit-Remaining-Tokens", b"7"), (b"Retry-After", b"8")]
    assert of_answer(answer) == {"x-request-id": "req_1", "x-ratelimit-remaining-tokens": "7", "retry-after": "8"}


def test_there_is_a_bound_for_number_and_length() -> None:
    many = [(b"x-ratelimit-%d" % number, b"v" * 5000) for number in range(500)]
    kept = of_answer(many)
    assert len(kept) == MOST_HEADERS
    assert set(map(len, kept.values())) == {LONGEST_VALUE}
    assert set(map(len, of_answer([(b"x-ratelimit-" + b"n" * 5000, b"v")]))) == {LONGEST_VALUE}


def test_bytes_that_are_not_text_are_kept_as_far_as_they_are() -> None:
    assert of_request([(b"user-agent", b"caf\xe9 \xff"), (b"user-agent", b"second")]) == {"user-agent": "caf� �"}
