"""The turns of a session: what each adds, what comes after, what changed in between."""

from pathlib import Path

import pytest

from analysis.conversations.messages import by_id, session_turns, turn_after
from analysis.conversations.turn_diff import turn_diff
from analysis.lake import Connection, Lake
from tests.conversations.session import COUNT, FIRST, NOT_KEPT, SECOND, SUB_AGENT, write


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write(tmp_path)
    return tmp_path


def test_each_turn_of_a_session_has_only_what_is_new(data: Path) -> None:
    turns = Lake(data).ask(lambda connection: session_turns(connection, "s1", 0, 100))
    assert [turn.call.request_id for turn in turns] == [FIRST, SUB_AGENT, SECOND, COUNT, NOT_KEPT]
    assert [turn.first_new for turn in turns] == [0, 0, 2, 0, 0]
    assert not any(turn.is_left_out for turn in turns)


def test_a_page_of_turns_knows_the_turns_before_it(data: Path) -> None:
    (turn,) = Lake(data).ask(lambda connection: session_turns(connection, "s1", 2, 1))
    assert (turn.call.request_id, turn.first_new) == (SECOND, 2)
    assert Lake(data).ask(lambda connection: session_turns(connection, "s1", 5, 10)) == []
    assert Lake(data).ask(lambda connection: session_turns(connection, "' or true --", 0, 10)) == []


def test_the_turn_after_goes_on_from_this_one(data: Path) -> None:
    def following(connection: Connection, request_id: str) -> str | None:
        (call,) = by_id(connection, request_id)
        after = turn_after(connection, call)
        return after.request_id if after else None

    assert Lake(data).ask(lambda connection: following(connection, FIRST)) == SECOND
    assert Lake(data).ask(lambda connection: following(connection, SECOND)) is None
    assert Lake(data).ask(lambda connection: following(connection, NOT_KEPT)) is None


def test_a_diff_names_what_was_added(data: Path) -> None:
    def question(connection: Connection) -> None:
        (first,), (second,) = by_id(connection, FIRST), by_id(connection, SECOND)
        diff = turn_diff(first, second)
        assert diff
        assert (diff.same, diff.is_answer_kept, diff.removed, diff.edits_history) == (1, True, (), False)
        assert len(diff.added) == 1
        assert (diff.settings, diff.tools_added, diff.tools_removed) == ((), (), ())
        (nothing,) = by_id(connection, NOT_KEPT)
        assert turn_diff(first, nothing) is None
        back = turn_diff(second, first)
        assert back and back.edits_history and back.added == ()

    Lake(data).ask(question)
