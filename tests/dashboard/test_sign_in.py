"""Signing in with a key: the cookie, what it may do, and how it ends."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from addon.config.keys import Key, hash_of, new_key, section
from analysis.dashboard.sessions import LASTS_S, SET_BACK_S, make_session, read_session
from analysis.dashboard.tries import MOST_CALLERS, MOST_TRIES, WITHIN_S, Tries, caller_of
from tests.dashboard.served import serving

SECRET = b"of the data folder"
READER = new_key()
CALLER = new_key()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    text = section("reader", READER, ("read",)) + "\n" + section("caller", CALLER, ("proxy",))
    (tmp_path / "heliograph.toml").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def http(data: Path) -> Iterator[httpx.Client]:
    with serving(data) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def sign_in(http: httpx.Client, key: str) -> httpx.Response:
    return http.post("/ui/sign-in", data={"key": key, "to": "/ui/requests?user=ada"})


def test_without_a_session_every_page_leads_to_the_sign_in_and_back(http: httpx.Client) -> None:
    answer = http.get("/ui/requests?user=ada")
    assert (answer.status_code, answer.headers["location"]) == (303, "/ui/sign-in?to=%2Fui%2Frequests%3Fuser%3Dada")
    assert http.get("/ui/sign-in").status_code == 200
    part = http.get("/ui/requests/-/rows", headers={"hx-request": "true"})
    assert (part.status_code, part.headers["hx-refresh"]) == (401, "true")


def test_a_key_that_may_read_opens_the_pages_and_signing_out_closes_them(http: httpx.Client) -> None:
    answer = sign_in(http, READER)
    assert answer.headers["hx-redirect"] == "/ui/requests?user=ada"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and "path=/ui" in cookie
    assert READER not in cookie
    text = http.get("/ui/requests").text
    assert "Signed in with the key reader" in text
    token = text.split("X-CSRF-Token&#34;: &#34;" if "&#34;" in text else 'X-CSRF-Token": "')[1][:64]
    assert http.post("/ui/sign-out").status_code == 403
    assert http.post("/ui/sign-out", headers={"x-csrf-token": token}).status_code == 200
    assert http.get("/ui/requests").status_code == 303


@pytest.mark.parametrize(
    ("key", "says"), [("wrong", "unknown"), (CALLER, "does not have the role read")], ids=["unknown", "caller"]
)
def test_other_keys_do_not(http: httpx.Client, key: str, says: str) -> None:
    answer = sign_in(http, key)
    assert says in answer.text
    assert "set-cookie" not in answer.headers


def test_a_reader_cannot_write(http: httpx.Client) -> None:
    sign_in(http, READER)
    token = http.get("/ui/requests").text.split('X-CSRF-Token": "')[1][:64]
    answer = http.post("/ui/first-call/-/send", headers={"x-csrf-token": token})
    assert (answer.status_code, "needs the role write" in answer.text) == (403, True)


def test_a_key_that_is_removed_is_signed_out_at_once(http: httpx.Client, data: Path) -> None:
    sign_in(http, READER)
    assert http.get("/ui/requests").status_code == 200
    (data / "heliograph.toml").write_text(section("caller", CALLER, ("proxy",)), encoding="utf-8")
    assert http.get("/ui/requests").status_code == 303


def test_only_pages_of_ours_are_led_back_to(http: httpx.Client) -> None:
    answer = http.post("/ui/sign-in", data={"key": READER, "to": "https://evil.example/"})
    assert answer.headers["hx-redirect"] == "/ui/"


def test_wrong_keys_are_tried_a_few_times_a_minute() -> None:
    now = 1000.0
    tries = Tries(lambda: now)
    for _ in range(MOST_TRIES):
        assert tries.wait_s("192.0.2.1") == 0
        tries.failed("192.0.2.1")
    assert tries.wait_s("192.0.2.1") == WITHIN_S
    now += WITHIN_S
    assert tries.wait_s("192.0.2.1") == 0


def test_a_clock_that_jumps_makes_nobody_wait_longer() -> None:
    now = 1_000_000.0
    tries = Tries(lambda: now)
    for _ in range(MOST_TRIES):
        tries.failed("192.0.2.1")
    now = 0.0
    assert tries.wait_s("192.0.2.1") == WITHIN_S
    now = 2_000_000.0
    assert tries.wait_s("192.0.2.1") == 0


def test_a_session_of_a_clock_that_was_ahead_does_not_last_longer() -> None:
    key = Key("reader", hash_of("old"), frozenset({"read"}))
    session = make_session(SECRET, key, 1_000_000.0)
    assert read_session(SECRET, [key], session, 1_000_000.0 - SET_BACK_S) is key
    assert read_session(SECRET, [key], session, 0.0) is None


def test_wrong_keys_of_one_caller_keep_no_other_one_out(http: httpx.Client) -> None:
    attacker, person = ({"x-forwarded-for": address} for address in ("192.0.2.1", "192.0.2.2"))
    for _ in range(MOST_TRIES + 1):
        said = http.post("/ui/sign-in", data={"key": "wrong"}, headers=attacker).text
    assert "Too many wrong keys" in said
    assert "Too many wrong keys" in http.post("/ui/sign-in", data={"key": READER}, headers=attacker).text
    answer = http.post("/ui/sign-in", data={"key": READER}, headers=person)
    assert answer.headers["hx-redirect"] == "/ui/"


def test_the_callers_that_are_remembered_are_bounded() -> None:
    tries = Tries(lambda: 0.0)
    for number in range(MOST_CALLERS + 1):
        for _ in range(MOST_TRIES):
            tries.failed(str(number))
    assert tries.wait_s("0") == 0
    assert tries.wait_s("1") == tries.wait_s(str(MOST_CALLERS)) == WITHIN_S


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "caller"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),  # anyone can send the header
        ("127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "10.0.0.1, 198.51.100.7", "198.51.100.7"),
        ("::1", "nonsense", "::/64"),
        ("::ffff:192.0.2.1", "", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "", "fe80::/64"),
        ("", "", ""),
    ],
)
def test_tries_are_counted_by_the_address_that_a_caller_cannot_choose(
    peer: str, forwarded_for: str, caller: str
) -> None:
    assert caller_of(peer, forwarded_for) == caller


def test_the_sign_in_says_that_a_session_is_over(http: httpx.Client, data: Path) -> None:
    assert "session is over" not in http.get("/ui/sign-in").text
    sign_in(http, READER)
    (data / "heliograph.toml").write_text(section("caller", CALLER, ("proxy",)), encoding="utf-8")
    assert "session is over" in http.get("/ui/sign-in").text


def test_a_session_holds_for_its_key_and_its_time_only() -> None:
    key = Key("reader", hash_of(READER), frozenset({"read"}))
    session = make_session(SECRET, key, 1000.0)
    assert read_session(SECRET, [key], session, 1001.0) is key
    assert read_session(SECRET, [key], session, 1001.0 + LASTS_S) is None
    assert read_session(b"another folder", [key], session, 1001.0) is None
    assert read_session(SECRET, [Key("reader", hash_of("new"), key.roles)], session, 1001.0) is None
    name, ends, signature = session.split(".")
    assert read_session(SECRET, [key], f"{name}.{int(ends) + 1}.{signature}", 1001.0) is None
    for odd in ("", ".", "..", "reader..", "reader.x.y", "reader.99999999999999999999999.y", "reader.\u0663.y"):
        assert read_session(SECRET, [key], odd, 1001.0) is None
