"""Wrong inputs get an answer in words, with the exit code of their kind."""

import pytest

from scripts import wrong_inputs
from scripts.wrong_inputs import Answer

STARTED_BY_A_SHELL = (126, 127)  # what a shell gives for a program that cannot be started


@pytest.fixture(scope="module")
def answers() -> list[Answer]:
    """All of them; an exception that no command turned into words fails here."""
    return list(wrong_inputs.answers())


def test_there_are_many_of_them(answers: list[Answer]) -> None:
    assert len({answer.asked for answer in answers}) == len(answers) >= 75


def test_none_is_a_traceback_or_silence(answers: list[Answer]) -> None:
    assert [answer.asked for answer in answers if not answer.says or "Traceback" in answer.says] == []


def test_each_ends_as_wrong_usage_or_as_a_failure(answers: list[Answer]) -> None:
    codes = {answer.exit_code for answer in answers if answer.exit_code is not None}
    assert codes == {1, 2, *STARTED_BY_A_SHELL}


def test_answers_name_nothing_of_this_machine(answers: list[Answer]) -> None:
    assert [answer.asked for answer in answers if "/tmp/" in answer.says or "heliograph-wrong-" in answer.says] == []


def test_an_answer_is_the_same_every_time(answers: list[Answer]) -> None:
    again = list(wrong_inputs.answers())
    assert again == answers
