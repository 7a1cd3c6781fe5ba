"""Secrets in plain text: what is found, what is not one, and the pseudonyms."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addon.redaction.redactor import Redactor
from addon.redaction.rules import OwnPattern, Rules
from tests.redaction.redacting import KEY, SECRETS, redactor

REDACTOR = redactor()
PSEUDONYM = r"<[a-z_-]+:[0-9a-f]{12}>"


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_becomes_a_pseudonym_of_its_kind(kind: str) -> None:
    found = REDACTOR.text(f"before {SECRETS[kind]} after")
    assert re.fullmatch(rf"before <{kind}:[0-9a-f]{{12}}> after", found)


@pytest.mark.parametrize(
    "secret",
    [
        "sk-ant-api03-AbCdEfGhIjKlMnOpQrSt",
        "AKIAIOSFODNN7EXAMPLE",
        "AIzaSyA1234567890abcdefghijklmnopqrstuv",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "hf_abcdefghijklmnopqrstuvwxyz01234567",
        "xoxb-123456789012-abcdefABCDEF",
        "gsk_abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKL",
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.SflKxwRJSMeKKF2QT4fwpMeJf36POk6y",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN OPENSSH PRIVATE KEY-----\\nb3BlbnNzaC1rZXk\\n-----END OPENSSH PRIVATE KEY-----",
        "378282246310005",
        "5500-0000-0000-0004",
        "GB29NWBK60161331926819",
        "(212) 555-0123",
        "0171 2345678",
        "0044 20 7946 0958",
        "müller@bücher.example",
        "alice%40example.org",
        "2001:db8::8a2e:370:7334",
    ],
)
def test_a_secret_is_replaced_as_a_whole(secret: str) -> None:
    assert re.fullmatch(PSEUDONYM, REDACTOR.text(secret))


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer abcdefgh12345678ABCD", "abcdefgh12345678ABCD"),
        ("export OPENAI_API_KEY=abcd1234efgh", "abcd1234efgh"),
        ("password: 'hunter2hunter2'", "hunter2hunter2"),
        ("postgres://bob:s3cret@db.example.org/x", "s3cret"),
        ('{"client_secret": "abc123def456"}', "abc123def456"),
    ],
)
def test_a_secret_after_a_telling_word_goes_and_the_word_stays(text: str, secret: str) -> None:
    before, after = text.split(secret)
    assert re.fullmatch(re.escape(before) + PSEUDONYM + re.escape(after), REDACTOR.text(text))


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",  # the check digit is wrong
        "1234 5678 9012 3452",  # of no network
        "GB28NWBK60161331926819",
        "0.4111111111111111",  # decimals, as of an embedding
        "sk-learn-estimators-of-all-kinds",
        "task-abcDEF1234567890abcdef",
        "icon@2x.png",
        "on 01.02.2026 10:15 and 2026-11-22 10:20:30",
        "max_tokens: 100, password: required",
        "a@b",
        "127.0.0.1",
        "c0ffee00-4111-4111-8111-111111111111",
        "",
    ],
)
def test_text_that_only_looks_like_a_secret_is_left_alone(text: str) -> None:
    assert REDACTOR.text(text) == text


def test_the_same_secret_has_the_same_pseudonym_however_it_is_spelled() -> None:
    same = [
        ("4111 1111 1111 1111", "4111-1111-1111-1111", "4111111111111111"),
        ("Alice@Example.org", "alice@example.org", "alice%40example.org"),
        ("+49 151 1234-5678", "+49 (151) 12345678"),
        ("DE89 3704 0044 0532 0130 00", "de89370400440532013000"),
    ]
    for spellings in same:
        assert len({REDACTOR.text(each) for each in spellings}) == 1


def test_pseudonyms_depend_on_the_key() -> None:
    other = Redactor(Rules(), b"another key of some length")
    assert REDACTOR.text("alice@example.org") != other.text("alice@example.org")


def test_a_number_before_a_card_does_not_hide_it() -> None:
    assert re.fullmatch(rf"2235 {PSEUDONYM} 123", REDACTOR.text("2235 4111 1111 1111 1111 123"))


def test_patterns_that_are_not_asked_for_find_nothing() -> None:
    only_mail = Redactor(Rules(patterns=("mail",)), KEY)
    text = " ".join(SECRETS[kind] for kind in SECRETS if kind != "mail")
    assert only_mail.text(text) == text


def test_a_user_id_is_one_pseudonym_where_the_rules_say_so() -> None:
    assert re.fullmatch(r"<user:[0-9a-f]{12}>", REDACTOR.user("customer 17"))
    assert REDACTOR.user(REDACTOR.user("customer 17")) == REDACTOR.user("customer 17")
    plain = Redactor(Rules(), KEY)
    assert plain.user("customer 17") == "customer 17"
    assert re.fullmatch(r"<mail:[0-9a-f]{12}>", plain.user("alice@example.org"))


def test_a_pattern_of_the_users_own_comes_before_the_built_in_ones() -> None:
    own = Redactor(Rules(own=(OwnPattern("staff", r"[a-z]+@example\.org"),)), KEY)
    assert re.fullmatch(r"<staff:[0-9a-f]{12}>", own.text("alice@example.org"))


SOME_TEXT = st.lists(st.one_of(st.text(max_size=20), st.sampled_from(sorted(SECRETS.values()))), max_size=8).map(
    "".join
)


@given(SOME_TEXT)
def test_pseudonyms_stay_where_text_is_redacted_twice(text: str) -> None:
    once = REDACTOR.text(text)
    twice = iter(re.findall(PSEUDONYM, REDACTOR.text(once)))
    assert all(pseudonym in twice for pseudonym in re.findall(PSEUDONYM, once))


@given(st.text(), st.text())
def test_a_secret_between_any_words_is_found(before: str, after: str) -> None:
    for kind, secret in SECRETS.items():
        assert secret not in REDACTOR.text(f"{before}\n{secret}\n{after}"), kind


@pytest.mark.parametrize("kind", SECRETS)
def test_an_escape_before_a_secret_is_not_part_of_it(kind: str) -> None:
    pseudonym = REDACTOR.text(SECRETS[kind])
    for escape in ("\\n", "\\t", "\\u00a0", "\\\\"):
        assert (
            REDACTOR.text(f'{{"a": "x{escape}{SECRETS[kind]}{escape}"}}') == f'{{"a": "x{escape}{pseudonym}{escape}"}}'
        )
