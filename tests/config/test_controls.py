"""Headers: how they are spelled, what is read, and what is said of those that cannot be read."""

import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addon.caching.policy import CachePolicy
from addon.config import controls, proxy_url
from addon.config.controls import HEADERS, LONGEST_VALUE, Controls, nearest, parse_controls, spelled
from addon.sending.retry import RetryPolicy

SERVED = [header for header in HEADERS if header.direction == "request" and header.support == "served"]


def parsed(**headers: str) -> Controls:
    """`Helicone_Cache_Enabled="true"` is the header Helicone-Cache-Enabled."""
    return parse_controls((name.replace("_", "-"), value) for name, value in headers.items())


@pytest.mark.parametrize(
    ("header", "field", "value"),
    [
        ("Helicone-User-Id", "user_id", "u1"),
        ("Helicone-Session-Id", "session_id", "s1"),
        ("Helicone-Session-Path", "session_path", "/a/b"),
        ("Helicone-Session-Name", "session_name", "plan"),
        ("Helicone-Prompt-Id", "prompt_id", "p1"),
        ("Helicone-Model-Override", "model_override", "gpt-4o"),
        ("Helicone-Target-Url", "target_url", "https://a.example"),
        ("Helicone-OpenAI-Api-Base", "openai_api_base", "https://b.example"),
        ("Helicone-Auth", "helicone_auth", "Bearer k"),
        ("User-Agent", "client", "curl/8"),
    ],
)
@pytest.mark.parametrize("change", [str, str.lower, str.upper])
def test_a_text_is_taken_as_it_is_sent(header: str, field: str, value: str, change: Any) -> None:
    assert getattr(parse_controls([(change(header), f" {value} ")]), field) == value
    assert getattr(parse_controls([(header, "  ")]), field) is None  # empty counts as absent


@pytest.mark.parametrize("change", [str, str.lower, str.upper])
def test_every_credential_header_is_known_by_its_name(change: Any) -> None:
    found = parse_controls(
        [(change("Authorization"), " Bearer sk "), (change("x-api-key"), "sk-ant"), ("api-key", " ")]
    )
    assert found.credentials == {"authorization": "Bearer sk", "x-api-key": "sk-ant"}


def test_of_two_headers_with_one_name_the_first_counts() -> None:
    pairs = [("Helicone-User-Id", "first"), ("helicone-user-id", "second")]
    pairs += [("Helicone-Property-App", "first"), ("helicone-property-app", "second")]
    found = parse_controls(pairs)
    assert (found.user_id, found.properties) == ("first", {"app": "first"})


def test_a_property_has_a_name() -> None:
    assert parse_controls([("Helicone-Property-", "x"), ("Helicone-Property-Feature", "chat")]).properties == {
        "feature": "chat"
    }


@pytest.mark.parametrize("header", ["Authorization", "x-api-key"])
@pytest.mark.parametrize("change", [str, str.lower, str.upper])
def test_a_credential_is_taken_as_it_is_sent(header: str, change: Any) -> None:
    assert parse_controls([(change(header), " Bearer sk ")]).credentials == {header.lower(): "Bearer sk"}


def test_a_session_of_helicones_header_wins_over_the_clients_own() -> None:
    assert parsed(session_id="codex", X_Session_Id="other").session_id == "codex"
    assert parsed(X_Claude_Code_Session_Id="claude", Helicone_Session_Id="mine").session_id == "mine"


@pytest.mark.parametrize(
    "header", ["Helicone-Omit-Request", "Helicone-Omit-Response", "Helicone-Stream-Usage", "Helicone-Increase-Timeout"]
)
def test_a_switch_is_true_or_false_in_any_case(header: str) -> None:
    field = header.removeprefix("Helicone-").replace("-", "_").lower()
    assert getattr(parse_controls([(header, "TRUE")]), field) is True
    assert getattr(parse_controls([(header, "False")]), field) is False
    odd = parse_controls([(header, "yes")])
    assert getattr(odd, field) is False
    assert odd.warnings == (f"{header}: 'yes' is neither true nor false; it is off",)


def test_the_cache_and_the_retries_are_read() -> None:
    found = parsed(
        Helicone_Cache_Enabled="true",
        Cache_Control="max-age=60",
        Helicone_Cache_Bucket_Max_Size="3",
        Helicone_Cache_Seed="s",
        Helicone_Cache_Ignore_Keys="a,b",
        Helicone_Retry_Enabled="true",
        Helicone_Retry_Num="2",
        Helicone_Retry_Min_Timeout="100",
        Helicone_RateLimit_Policy="10;w=60",
    )
    assert found.cache == CachePolicy(
        read=True, save=True, max_age_s=60, bucket_size=3, seed="s", ignore_keys=("a", "b")
    )
    assert found.retry == RetryPolicy(retries=2, min_timeout_s=0.1)
    assert found.rate_limit and found.rate_limit.quota == Decimal(10)
    assert found.warnings == ()


def test_without_the_switch_the_other_headers_of_a_feature_are_not_read() -> None:
    found = parsed(Helicone_Cache_Bucket_Max_Size="many", Helicone_Retry_Num="many", Cache_Control="max-age=x")
    assert (found.cache, found.retry, found.warnings) == (None, None, ())


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ({"Helicone-Cache-Bucket-Max-Size": "21"}, ["Helicone-Cache-Bucket-Max-Size"]),
        ({"Cache-Control": "max-age=soon"}, ["Cache-Control"]),
        ({"Helicone-Cache-Ignore-Keys": '"a'}, ["Helicone-Cache-Ignore-Keys"]),
        ({"Helicone-Retry-Num": "99"}, ["Helicone-Retry-Num"]),
        ({"Helicone-Retry-Factor": "0"}, ["Helicone-Retry-Factor"]),
        ({"Helicone-Retry-Min-Timeout": "20000"}, ["Helicone-Retry-Min-Timeout"]),  # more than the longest wait
        ({"Helicone-Retry-Max-Timeout": "10"}, ["Helicone-Retry-Max-Timeout"]),  # less than the first wait
        ({"helicone-ratelimit-policy": "10"}, ["Helicone-RateLimit-Policy"]),
        ({"helicone-fallbacks": "{"}, ["Helicone-Fallbacks"]),
        ({"helicone-timeout": "soon"}, ["Helicone-Timeout"]),
        ({"helicone-request-id": "7"}, ["Helicone-Request-Id"]),
        (
            {"Helicone-Retry-Num": "x", "Helicone-Retry-Factor": "y", "Helicone-Cache-Bucket-Max-Size": "z"},
            ["Helicone-Cache-Bucket-Max-Size", "Helicone-Retry-Num", "Helicone-Retry-Factor"],
        ),
    ],
)
def test_a_warning_names_the_very_header_once_for_each(headers: dict[str, str], named: list[str]) -> None:
    enabled = {"Helicone-Cache-Enabled": "true", "Helicone-Retry-Enabled": "true"}
    found = parse_controls((enabled | headers).items())
    assert [warning.partition(":")[0] for warning in found.warnings] == named
    assert (found.cache is None) == any("Cache" in name for name in named)
    assert (found.retry is None) == any("Retry" in name for name in named)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Helicone-Cache-Enable", "Helicone-Cache-Enabled"),
        ("helicone-ratelimit-polcy", "Helicone-RateLimit-Policy"),
        ("Helicone-Rate-Limit-Policy", "Helicone-RateLimit-Policy"),
        ("Helicone-UserId", "Helicone-User-Id"),
        ("Helicone-OpenAI-Base", "Helicone-OpenAI-Api-Base"),
    ],
)
def test_an_unknown_header_is_named_with_the_nearest_one(name: str, near: str) -> None:
    assert parse_controls([(name, "x")]).warnings == (f"{name}: no such header; did you mean {near}?",)


def test_an_unknown_header_like_no_other_is_only_named() -> None:
    assert nearest("helicone-zzz") is None
    assert parse_controls([("Helicone-Zzz", "x")]).warnings == ("Helicone-Zzz: no such header",)
    (warning,) = parse_controls([("Helicone-\udcff" + "q" * 9000, "x")]).warnings
    assert warning.isascii() and len(warning) < 100


def test_headers_that_helicone_documents_are_known() -> None:
    assert parsed(Helicone_Prompt_Mode="testing", Helicone_Webhook_Enabled="true", Helicone_Id="x").warnings == ()
    assert parsed(Helicone_Moderations_Enabled="false").warnings == ()
    assert parsed(Helicone_Moderations_Enabled="true").warnings == (
        "Helicone-Moderations-Enabled is not supported; it does nothing",
    )


def test_warnings_are_bounded() -> None:
    found = parse_controls((f"Helicone-Unknown-{number}", "x") for number in range(500))
    assert len(found.warnings) == 11
    assert found.warnings[-1] == "and 490 more"


def test_every_header_is_listed_once_with_its_meaning() -> None:
    assert len({(header.spelled.lower(), header.direction) for header in HEADERS}) == len(HEADERS)
    assert all(header.meaning and "\n" not in header.meaning for header in HEADERS)
    assert spelled("helicone-openai-api-base") == "Helicone-OpenAI-Api-Base"
    assert spelled(controls.RATE_LIMIT_POLICY) == controls.RATE_LIMIT_APPLIED == "Helicone-RateLimit-Policy"
    assert spelled("X-Other") == "X-Other"


@pytest.mark.parametrize("header", SERVED, ids=lambda header: header.spelled)
def test_a_value_longer_than_the_longest_turns_the_feature_off(header: controls.Header) -> None:
    name = header.spelled.replace("<Name>", "app")
    given = {"Helicone-Cache-Enabled": "true", "Helicone-Retry-Enabled": "true"}
    found = parse_controls((given | {name: "1" * (header.longest + 1)}).items())
    if header.spelled == "Proxy-Authorization":  # read when a connection arrives
        assert proxy_url.project_label(f"Basic {'Q' * 2**16}") is None
        return
    assert [warning for warning in found.warnings if warning.startswith(f"{name}: longer than {header.longest}")]
    assert "1" * (header.longest + 1) not in str(found)
    if header.spelled.startswith(("Helicone-Cache", "Cache-Control")):
        assert found.cache is None
    if header.spelled.startswith("Helicone-Retry"):
        assert found.retry is None


HOSTILE = [
    " " * 2**16 + "x",
    "a " * 2**15,
    '"' * 2**16,
    "\\" * 2**16,
    "[" * 2**16,
    "0" * 2**16,
    "1," * 2**15,
    ";" * 2**16,
    "=" * 2**16,
    "a=b;" * 2**14,
    '"a" ' * 2**14,
    "- " * 2**15,
]


@pytest.mark.parametrize("name", [header.spelled for header in SERVED if header.spelled != "Proxy-Authorization"])
@pytest.mark.parametrize("cut", [64, 1000, 8192, 2**16])
def test_no_value_takes_longer_than_its_length_explains(name: str, cut: int) -> None:
    """CPU seconds, the best of three: a quadratic expression takes more than that for 8 KB, a cubic one minutes."""
    enabled = {"Helicone-Cache-Enabled": "true", "Helicone-Retry-Enabled": "true"}
    for value in HOSTILE:
        for end in ("x", '"x'):
            pairs = (enabled | {name: f"x{value[: cut - 3]}{end}"}).items()
            took = min(_cpu_seconds(pairs) for _ in range(3))
            assert took < 0.3, (value[:10], took)


def _cpu_seconds(pairs: Any) -> float:
    began = time.process_time()
    parse_controls(pairs)
    return time.process_time() - began


@given(
    st.lists(
        st.tuples(
            st.sampled_from([header.spelled for header in HEADERS]) | st.text(max_size=30).map("Helicone-{}".format),
            st.text(max_size=60) | st.sampled_from(["true", "false", "1", "0.5", "10;w=60", "max-age=5", "[]", "a,b"]),
        ),
        max_size=12,
    )
)
def test_any_headers_are_read_without_an_error(pairs: list[tuple[str, str]]) -> None:
    found = parse_controls(pairs)
    assert len(found.warnings) <= 11
    assert not [text for text in (found.user_id, found.session_id) if text and len(text) > LONGEST_VALUE]


# The proxy URL.


def basic(text: str) -> str:
    import base64

    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("sent", "label", "password"),
    [
        (basic("shop:x"), "shop", "x"),
        (basic("shop:"), "shop", None),
        (basic(":key"), None, "key"),
        (basic("a b:key"), None, "key"),
        (basic("a:b:c"), "a", "b:c"),
        ("Bearer abc", None, None),
        ("Basic !!!", None, None),
        ("Basic /w==", None, None),  # not UTF-8
        ("", None, None),
        (None, None, None),
    ],
)
def test_the_proxy_url_has_a_project_and_a_key(sent: str | None, label: str | None, password: str | None) -> None:
    assert proxy_url.project_label(sent) == label
    assert proxy_url.proxy_password(sent) == password


@given(st.text())
def test_any_proxy_authorization_is_read_without_an_error(text: str) -> None:
    for sent in (text, f"Basic {text}"):
        proxy_url.project_label(sent), proxy_url.proxy_password(sent)
