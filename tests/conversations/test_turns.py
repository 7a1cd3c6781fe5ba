"""What is new in a turn."""

from addon.conversations.model import Conversation, Message
from addon.conversations.turns import first_new, same_messages


def text(role: str, words: str) -> Message:
    return {"role": role, "parts": [{"type": "text", "content": words}]}


def asked(*messages: Message, answer: Message | None = None) -> Conversation:
    return Conversation(input_messages=messages, output_messages=(answer,) if answer else ())


HI, HELLO, MORE = text("user", "Hi"), text("assistant", "Hello"), text("user", "More")


def test_without_a_turn_before_all_is_new() -> None:
    assert first_new(None, asked(HI)) == 0


def test_what_was_sent_and_answered_before_is_not_new() -> None:
    earlier = asked(HI, answer={**HELLO, "finish_reason": "stop"})
    later = asked(HI, HELLO, MORE)
    assert same_messages(earlier, later) == 1
    assert first_new(earlier, later) == 2


def test_an_answer_is_known_again_without_its_reasoning() -> None:
    thought = {"type": "reasoning", "content": "Hm.", "signature": "x"}
    earlier = asked(HI, answer={**HELLO, "parts": [thought, *HELLO["parts"]]})
    assert first_new(earlier, asked(HI, HELLO, MORE)) == 2


def test_another_answer_than_the_one_before_is_new() -> None:
    earlier = asked(HI, answer=text("assistant", "Good day"))
    assert first_new(earlier, asked(HI, HELLO, MORE)) == 1


def test_after_a_change_in_the_history_all_is_new() -> None:
    earlier = asked(HI, HELLO, MORE)
    assert first_new(earlier, asked(HI, text("user", "a summary"), MORE)) == 1


def test_a_request_that_is_sent_again_has_nothing_new() -> None:
    assert first_new(asked(HI, answer=HELLO), asked(HI)) == 1
