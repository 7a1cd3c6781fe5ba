import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addon.sending.json_text import members, with_members

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=5), VALUES, max_size=5)
WRITTEN: tuple[dict[str, Any], ...] = ({}, {"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False})


@given(OBJECTS, OBJECTS, st.sampled_from(WRITTEN))
def test_setting_members_in_the_text_is_setting_them_in_the_object(
    value: dict[str, Any], changes: dict[str, Any], written: dict[str, Any]
) -> None:
    text = with_members(json.dumps(value, **written), {key: json.dumps(change) for key, change in changes.items()})
    assert json.loads(text) == value | changes


@given(OBJECTS, st.sampled_from(WRITTEN))
def test_without_changes_the_text_stays(value: dict[str, Any], written: dict[str, Any]) -> None:
    text = json.dumps(value, **written)
    assert with_members(text, {}) == text
    assert {member.key: json.loads(text[member.start : member.end]) for member in members(text)} == value


def test_all_that_is_not_changed_keeps_its_spelling() -> None:
    text = (
        '\n{ "seed" : 123456789012345678901234567890,\t"t": 0.10, "model": "old", "x": "\\u00e9\\ud83d", "x": 1e2 }\r\n'
    )
    changed = text.replace('"old"', '"new"')
    assert with_members(text, {"model": '"new"'}) == changed


def test_a_key_that_is_there_twice_is_set_twice() -> None:
    assert with_members('{"a": 1, "b": 2, "a": 3}', {"a": "9"}) == '{"a": 9, "b": 2, "a": 9}'


def test_an_escaped_key_is_the_same_key() -> None:
    assert with_members('{"mod\\u0065l": "old"}', {"model": '"new"'}) == '{"mod\\u0065l": "new"}'


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "[]",
            '"a"',
            "1",
            "{",
            '{"a"',
            '{"a":',
            '{"a":1',
            '{"a":1,',
            '{"a":1,}',
            '{"a" 1}',
            "{a:1}",
            "{1:1}",
        ),
        *('{"a":1}{}', '{"a":1} x', '{"a":1 "b":2}', '{"a":}', "\ufeff{}"),
    ],
)
def test_text_that_is_not_an_object_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a JSON object|Expecting"):
        with_members(text, {"model": "1"})


def test_what_is_nested_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match="not a JSON object"):
        with_members('{"a":' + "[" * 200_000, {"model": "1"})


@given(st.text(alphabet='{}[]":,\\ a1\n'))
def test_no_text_raises_anything_else(text: str) -> None:
    try:
        found = members(text)
    except ValueError:
        return
    assert json.loads(text) == {member.key: json.loads(text[member.start : member.end]) for member in found}
