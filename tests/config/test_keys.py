"""Keys in heliograph.toml: made, and removed without another byte changed."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addon.config.keys import ROLES, hash_of, is_hash, is_name, new_key, section, without_section

ONE = section("one", "sk-1", ROLES).encode()
TWO = section("two", "sk-2", ("read",)).encode()


def test_a_new_key_has_the_shape_that_helicones_packages_accept() -> None:
    key = new_key()
    assert [len(part) for part in key.split("-")] == [2, 8, 7, 7, 7, 7]
    assert is_hash(hash_of(key)) and not is_hash(key)


@pytest.mark.parametrize(("name", "fits"), [("ci", True), ("a-b_C9", True), ("", False), ("a b", False), ("é", False)])
def test_a_name_needs_no_quotes(name: str, fits: bool) -> None:
    assert is_name(name) is fits


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (ONE, b""),
        (b"# mine\n[timeouts]\nidle_s = 5\n\n" + ONE, b"# mine\n[timeouts]\nidle_s = 5\n"),
        (ONE + b"\n" + TWO, b"\n" + TWO),
        (TWO + b"\n" + ONE, TWO),
        (b"a = 1\r\n\r\n" + ONE.replace(b"\n", b"\r\n"), b"a = 1\r\n"),
        (ONE + b"# about the next\n[[prices]]\nx = 1\n", b"# about the next\n[[prices]]\nx = 1\n"),
        (b'  [ keys . "one" ]  # laptop\nhash = "x"\n', b""),
        (ONE.rstrip(b"\n"), b""),
    ],
)
def test_exactly_one_section_is_removed(text: bytes, left: bytes) -> None:
    assert without_section(text, "one") == left


@pytest.mark.parametrize(
    "text", [b"", TWO, b"[keys]\none = 1\n", b"# [keys.one]\n", b"[keys.one.more]\n", b"[keys.onex]\n"]
)
def test_without_such_a_section_nothing_is_removed(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"no section \[keys.one\]"):
        without_section(text, "one")


others = st.sampled_from(
    [b"# c\n", b"\n", b"[timeouts]\nidle_s = 5\n", b"[[prices]]\na = 1\n", b"[[prices]]\nb = 2\n", TWO]
)


@given(st.lists(others, unique=True), st.lists(others, unique=True))
def test_what_is_left_means_the_same_without_the_key(before: list[bytes], after: list[bytes]) -> None:
    after = [part for part in after if part.startswith((b"#", b"\n")) or part not in before]
    text = b"".join([*before, ONE, *after])
    left = tomllib.loads(without_section(text, "one").decode())
    whole = tomllib.loads(text.decode())
    del whole["keys"]["one"]
    assert {**left, "keys": left.get("keys", {})} == whole
