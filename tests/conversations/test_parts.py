"""Parts that many readers make."""

import pytest

from addon.conversations.model import Part
from addon.conversations.parts import joined_base64, stated, tool_call, unpacked, uri


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://example.org/a", {"type": "uri", "modality": "image", "uri": "https://example.org/a"}),
        (
            "data:audio/wav;base64,aGk=",
            {"type": "blob", "modality": "audio", "content": "aGk=", "mime_type": "audio/wav"},
        ),
        ("data:,hi", {"type": "blob", "modality": "image", "content": "aGk="}),
        ("data:text/plain;charset=utf-8,hi", {"type": "blob", "modality": "document", "content": "aGk="}),
    ],
)
def test_a_data_url_is_bytes_and_any_other_an_address(address: str, expected: Part) -> None:
    found = uri("image", address)
    assert {name: found.get(name) for name in expected} == expected


def test_the_type_that_a_data_url_states_wins_over_the_one_beside_it() -> None:
    assert uri("document", "data:image/png;base64,aGk=", mime_type="image/jpeg")["mime_type"] == "image/png"
    assert uri("document", "data:;base64,aGk=", mime_type="image/jpeg")["mime_type"] == "image/jpeg"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('{"a": 1}', {"a": 1}),
        ('{"a": ', '{"a": '),
        ("", ""),
        ("12", "12"),
        ("*** Patch", "*** Patch"),
        ({"a": 1}, {"a": 1}),
    ],
)
def test_arguments_are_json_or_the_text_that_came(arguments: object, expected: object) -> None:
    assert unpacked(arguments) == expected
    assert tool_call("c", "f", arguments)["arguments"] == expected


def test_base64_in_pieces_is_joined_by_its_bytes() -> None:
    assert joined_base64(["aGk=", "aGk="]) == "aGloaQ=="
    assert joined_base64(["aGk=", "a", "aGk="]) == "aGk="


def test_a_part_that_lacks_what_its_type_promises_is_kept_as_unknown() -> None:
    assert stated({"type": "text", "content": "Hi"}) == {"type": "text", "content": "Hi"}
    assert stated({"type": "text"}) == {"type": "unknown", "raw": {"type": "text"}}
    assert stated({"type": "tool_call_response", "id": "c", "result": "1"})["response"] == "1"
    assert stated("Hi") == {"type": "unknown", "raw": "Hi"}
