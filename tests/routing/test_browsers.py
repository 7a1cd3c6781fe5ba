"""Which requests a web page made, told by the headers that browsers add and programs do not."""

import pytest

from addon.routing.browsers import Hosts, answer_headers, deny_page, is_preflight, may_be_page, preflight_headers

OURS = "127.0.0.1:8787"
ALLOWED = frozenset({"https://app.example.org", "tauri://localhost"})


def denied(headers: dict[str, str], method: str = "POST", authority: str = OURS, ours: bool = True) -> bool:
    denial = deny_page(headers, method, allowed=ALLOWED, authority=authority, host_is_ours=ours)
    assert denial is None or (denial.status == 403 and "[browser] allow_origins" in denial.message)
    fields = [(name.title().encode(), value.encode()) for name, value in headers.items()]
    assert denial is None or may_be_page(fields), "the quick look must not miss what is refused"
    return denial is not None


def test_what_programs_send_is_not_looked_at_twice() -> None:
    assert not may_be_page([(b"host", b"127.0.0.1"), (b"authorization", b"Bearer x"), (b"x-origin", b"here")])


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://127.0.0.1:3000"},
        {"origin": "http://localhost:8787"},  # another origin than 127.0.0.1
        {"origin": "https://app.example.org.evil.example"},
        {"origin": "https://app.example.org, https://evil.example"},
        {"origin": "tauri://elsewhere"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "same-origin"},  # a POST of a page has an Origin
        {"sec-fetch-site": ""},
        {"sec-fetch-mode": "no-cors"},
        {"sec-fetch-mode": "navigate"},
        {"sec-fetch-mode": "cors", "sec-fetch-site": "cross-site"},
        {"sec-fetch-dest": "image"},
        {"sec-fetch-dest": "document"},
    ],
)
def test_a_page_of_somebody_else_is_refused(headers: dict[str, str]) -> None:
    assert denied(headers)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-mode": "cors"},  # Node's fetch
        {"sec-fetch-mode": "websocket"},  # Node's WebSocket
        {"sec-fetch-site": "none", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},  # typed by a person
        {"origin": "https://app.example.org", "sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"},
        {"origin": "HTTPS://App.Example.ORG"},
        {"origin": "tauri://localhost"},
        {"origin": "http://127.0.0.1:8787", "sec-fetch-site": "same-origin"},  # a page of ours
    ],
)
def test_a_program_and_an_allowed_page_are_served(headers: dict[str, str]) -> None:
    assert not denied(headers)


def test_a_page_of_ours_may_get() -> None:
    assert not denied({"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}, "GET")


def test_a_name_that_was_rebound_to_this_machine_makes_no_page_ours() -> None:
    there = "evil.example:8787"
    assert denied({"origin": f"http://{there}"}, authority=there, ours=False)
    assert denied({"sec-fetch-site": "same-origin"}, "GET", authority=there, ours=False)


def test_the_usual_port_may_be_left_out() -> None:
    assert not denied({"origin": "https://llm.example.org"}, authority="llm.example.org:443")
    assert not denied({"origin": "http://llm.example.org"}, authority="llm.example.org")


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", True),
        ("10.0.0.5", True),  # the connection came to this address
        ("10.0.0.6", False),
        ("llm.example.org", True),
        ("OAI.llm.example.org.", True),
        ("example.org", False),
        ("evilllm.example.org", False),
        ("heliograph", False),
    ],
)
def test_names_are_ours_by_the_settings_and_addresses_by_the_connection(host: str, ours: bool) -> None:
    assert Hosts(frozenset({"llm.example.org"})).is_ours(host, "10.0.0.5") is ours


def test_a_preflight_is_answered_with_what_was_asked_for() -> None:
    asked = {
        "origin": "https://app.example.org",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, content-type",
    }
    assert is_preflight(asked, "OPTIONS")
    assert not is_preflight(asked, "POST")
    answer = preflight_headers(asked)
    assert answer["access-control-allow-origin"] == "https://app.example.org"
    assert answer["access-control-allow-methods"] == "POST"
    assert answer["access-control-allow-headers"] == "authorization, content-type"
    assert "access-control-allow-credentials" not in answer


def test_an_answer_names_the_headers_that_a_page_may_read() -> None:
    told = answer_headers("https://app.example.org", ["helicone-id", "content-type"])
    assert told["access-control-expose-headers"] == "helicone-id, content-type"
    assert told["vary"] == "origin"
