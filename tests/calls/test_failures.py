"""The table of failures, and what a row says of each."""

import pytest

from addon.calls.failures import CONSEQUENCES, Failure, Phase
from addon.hooks.capture import closing_line
from tests.calls.calls import make_call


def test_the_table_has_every_failure_in_every_phase() -> None:
    assert set(CONSEQUENCES) == {(failure, phase) for failure in Failure for phase in Phase}


@pytest.mark.parametrize("failure", Failure)
def test_what_has_begun_is_cut_and_neither_answered_nor_tried_again(failure: Failure) -> None:
    after = CONSEQUENCES[failure, Phase.AFTER_FIRST_BYTE]
    assert (after.answer_status, after.retry_as) == (None, None)


def test_only_a_caller_that_leaves_does_not_end_the_call_for_others() -> None:
    assert {failure for failure, _ in CONSEQUENCES if not CONSEQUENCES[failure, _].ends_shared_call} == {Failure.CALLER}


@pytest.mark.parametrize(
    ("failure", "answered", "status", "error_type"),
    [
        (Failure.CALLER, None, -3, "client_disconnected"),
        (Failure.CALLER, 200, -3, "client_disconnected"),
        (Failure.CALLER, 429, 429, None),
        (Failure.PROVIDER, None, -100, "upstream_disconnected"),
        (Failure.PROVIDER, 200, 200, "upstream_disconnected"),
        (Failure.TIMEOUT, None, -2, "upstream_timeout"),
        (Failure.TIMEOUT, 200, 200, "upstream_timeout"),
        (Failure.CONNECT, None, -100, "connection_failed"),
        (Failure.REFUSED, None, 403, "target_not_approved"),
    ],
)
def test_the_row_of_a_failed_call(failure: Failure, answered: int | None, status: int, error_type: str | None) -> None:
    call = make_call()
    call.answer.status = answered
    line = closing_line(call, failure)
    assert (line.status, line.error_type, line.complete) == (status, error_type, False)


def test_after_the_terminal_event_a_failure_no_longer_matters() -> None:
    call = make_call()
    call.answer.status, call.copied.finished_at = 200, 1_760_000_001.0
    line = closing_line(call, Failure.PROVIDER)
    assert (line.status, line.error_type, line.complete) == (200, None, True)
