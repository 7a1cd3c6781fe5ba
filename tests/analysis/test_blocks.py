"""Conversations as blocks for a page: everything readable, nothing executable, all of bounded size."""

from typing import Any

from addon.conversations.model import Conversation
from analysis.conversations.blocks import LONGEST_TEXT, MOST_CHARS, SHORT_TEXT, Block, turns_of

PIXEL = "iVBORw0KGgo="


def blocks(*parts: dict[str, Any]) -> tuple[Block, ...]:
    (turn,) = turns_of(Conversation(input_messages=({"role": "user", "parts": list(parts)},)))
    return turn.blocks


def test_who_said_what_stands_in_its_order() -> None:
    said = Conversation(
        system_instructions=({"type": "text", "content": "Be brief."},),
        input_messages=({"role": "user", "parts": [{"type": "text", "content": "Hi"}], "name": "ann"},),
        output_messages=(
            {"role": "assistant", "parts": [{"type": "text", "content": "Hello"}], "finish_reason": "stop"},
        ),
    )
    system, user, answer = turns_of(said)
    assert (system.role, system.place, system.blocks[0].text) == ("system", None, "Be brief.")
    assert (user.role, user.name, user.place, user.is_answer) == ("user", "ann", 0, False)
    assert (answer.is_answer, answer.finish_reason, answer.place) == (True, "stop", None)
    assert [turn.role for turn in turns_of(said, start=1)] == ["assistant"]


def test_a_tools_result_has_the_name_of_its_call() -> None:
    call = {"type": "tool_call", "id": "c1", "name": "search", "arguments": {"q": "x"}}
    result = {"type": "tool_call_response", "id": "c1", "response": [{"type": "text", "content": "found"}]}
    said = Conversation(
        input_messages=({"role": "assistant", "parts": [call]}, {"role": "tool", "parts": [result]}),
    )
    (first, second) = turns_of(said)
    assert first.blocks == (Block("call", '{\n  "q": "x"\n}', "search", "c1"),)
    assert second.blocks == (Block("result", "found", "search", "c1"),)


def test_only_images_that_cannot_carry_scripts_are_shown_and_only_from_the_row() -> None:
    (image,) = blocks({"type": "blob", "modality": "image", "mime_type": "image/PNG", "content": PIXEL})
    assert (image.kind, image.image) == ("image", f"data:image/png;base64,{PIXEL}")
    for part in (
        {"type": "blob", "modality": "image", "mime_type": "image/svg+xml", "content": PIXEL},
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": 'x" onerror="alert(1)'},
        {"type": "blob", "modality": "audio", "mime_type": "audio/wav", "content": PIXEL, "transcript": "hm"},
        {"type": "uri", "modality": "image", "uri": "https://evil.example/pixel.png"},
        {"type": "file", "modality": "image", "file_id": "file-1"},
    ):
        (block,) = blocks(part)
        assert (block.kind, block.image) == ("file", None)


def test_what_has_no_form_of_its_own_is_shown_as_json() -> None:
    (odd,) = blocks({"type": "compaction_trigger", "raw": {"a": [1]}})
    assert (odd.kind, odd.title, odd.text) == ("other", "compaction_trigger", '{\n  "a": [\n    1\n  ]\n}')


def test_long_texts_are_cut_and_say_so() -> None:
    (block,) = blocks({"type": "text", "content": "x" * 16_000_000})
    assert (len(block.text), block.left_out) == (LONGEST_TEXT, 16_000_000 - LONGEST_TEXT)


def test_of_very_many_long_messages_the_last_have_the_most_room() -> None:
    message = {"role": "user", "parts": [{"type": "text", "content": "x" * 10_000}]}
    turns = turns_of(Conversation(input_messages=(message,) * 500))
    assert len(turns) == 500
    assert len(turns[-1].blocks[0].text) == 10_000
    assert len(turns[0].blocks[0].text) == SHORT_TEXT
    assert sum(len(turn.blocks[0].text) for turn in turns) < MOST_CHARS + 500 * SHORT_TEXT + LONGEST_TEXT


def test_arguments_that_are_nested_too_deep_do_not_fail() -> None:
    deep: Any = 1
    for _ in range(900):
        deep = [deep]
    (block,) = blocks({"type": "tool_call", "id": None, "name": "t", "arguments": deep})
    assert "nested too deep" in block.text
