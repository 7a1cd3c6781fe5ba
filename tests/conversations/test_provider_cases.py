"""Every case of tests/providers/cases has a conversation, or none; the words of its answer are those of the row."""

from itertools import accumulate
from pathlib import Path

import pytest

from addon.conversations.model import Conversation
from addon.conversations.read import Said, conversation, may_use_tools
from addon.metering.price import PriceList
from addon.settling.rows import make_rows
from addon.storage.record import BodyRow, RequestRow
from tests.conversations.schema import check
from tests.providers.cases.reading import FILES, FOLDER, Case, read_case

PRICES = PriceList()
NAMES = [str(file.relative_to(FOLDER)) for file in FILES]
SPOKEN = ("text", "refusal")
# A transcript in plain text, which no reader of usage looks at.
OTHER_WORDS = {"openai/transcription_text.toml"}


@pytest.fixture(params=FILES, ids=NAMES)
def case(request: pytest.FixtureRequest) -> Case:
    assert isinstance(request.param, Path)
    return read_case(request.param)


def said_by(row: RequestRow, bodies: BodyRow) -> Said:
    return Said(
        provider_name=row.provider_name,
        operation_name=row.operation_name,
        method=row.method,
        host=row.host,
        path=row.path,
        status=row.status,
        request_body=bodies.request_body,
        response_body=bodies.response_body,
    )


def words(found: Conversation | None) -> str:
    parts = [part for message in found.output_messages for part in message["parts"]] if found else []
    told = (part.get("transcript", part["content"] if part["type"] in SPOKEN else None) for part in parts)
    return "\n".join(text for text in told if text is not None)


def test_the_words_of_the_answer_are_in_its_messages(case: Case) -> None:
    row, bodies = make_rows(case.call(), PRICES)
    found = conversation(said_by(row, bodies))
    if found is not None:
        check(found)
    silent = {"ocr", "batch_results", "rerank"}
    if str(case.path.relative_to(FOLDER)) not in OTHER_WORDS and row.operation_name not in silent:
        assert words(found) == (bodies.response_text or "")


def test_an_answer_that_is_cut_anywhere_has_the_words_that_came(case: Case) -> None:
    row, bodies = make_rows(case.call(), PRICES)
    body = bodies.response_body
    if not row.is_stream or body is None or body.startswith("data:application/vnd"):
        return
    whole = words(conversation(said_by(row, bodies)))
    for end in accumulate([1] * 40, lambda at, _: at + max(1, len(body) // 40), initial=0):
        cut = BodyRow(request_id="", started_at=row.started_at, response_body=body[:end])
        found = conversation(said_by(row, cut))
        if found is not None:
            check(found)
        if (
            row.operation_name in ("chat", "agent_session", "retrieve_and_generate", "live")
            and len(row.finish_reasons) < 2
            and not _says_more_at_the_end(body)
        ):
            assert whole.startswith(words(found))


def _says_more_at_the_end(body: str) -> bool:
    """A last event that repeats the answer with a space or a list in between."""
    return "chat.end" in body or '"content":[' in body.replace(" ", "")


def test_a_conversation_with_tools_is_known_by_its_words(case: Case) -> None:
    row, bodies = make_rows(case.call(), PRICES)
    said = said_by(row, bodies)
    found = conversation(said)
    parts = [part for one in (*found.input_messages, *found.output_messages) for part in one["parts"]] if found else []
    if any("tool_call" in part["type"] for part in parts):
        assert may_use_tools(said)
