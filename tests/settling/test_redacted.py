"""Rows without secrets, made of the original."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from addon.config.settings import load_what_can_be_read
from addon.metering.price import PriceList
from addon.redaction.key import VARIABLE, has_key, redaction_key, redactor_of
from addon.redaction.rules import Rules
from addon.settling.journal_reader import Call
from addon.settling.process import settle_leftovers
from addon.settling.redacted import redacted, redacted_rows, unreadable_rules
from addon.settling.row_worker import RowMaker
from addon.settling.rows import bare_rows, make_rows
from addon.settling.settler import Settler
from addon.storage.folders import Folders
from addon.storage.journal import Journal
from addon.storage.journal_lines import CallEnd, CallStart
from addon.storage.record import PropertyChangeRow, RequestRow
from tests.redaction.redacting import SECRETS, redactor

MAIL = SECRETS["mail"]
REDACTOR = redactor()
ALL = " and ".join(SECRETS.values())


def call(**start: Any) -> Call:
    """A call with secrets wherever a caller can put text."""
    given = CallStart(
        request_id="0199a3f2-7c1e-7b3a-9d2f-3f1d2c4b5a69",
        started_at_us=1_763_700_000_000_000,
        provider_name="openai",
        operation_name="chat",
        method="POST",
        host="api.openai.com",
        path="/v1/chat/completions",
        mode="forward",
        content_type="application/json",
        user_id=MAIL,
        session_id=f"session of {MAIL}",
        session_path=f"/{MAIL}",
        session_name=ALL,
        properties={"customer": ALL, MAIL: "x"},
        prompt_id=MAIL,
        client=f"program/1 ({MAIL})",
        headers={"x-customer": MAIL},
        api_key_hash="4111111111111111",
    )
    question = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": ALL}], "metadata": {"of": MAIL}}
    answer = {
        "id": "chatcmpl-1",
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": {"content": ALL}, "finish_reason": "stop"}],
    }
    end = CallEnd(
        status=200,
        content_type="application/json",
        client_cwd=f"/home/{MAIL}",
        failed_attempts=orjson.dumps([{"host": "x", "message": ALL}]).decode(),
        kept_headers={"x-answer": MAIL},
    )
    return Call(
        call_id="c",
        start=replace(given, **start),
        end=end,
        request=orjson.dumps(question),
        response=orjson.dumps(answer),
    )


def test_no_column_keeps_a_secret() -> None:
    rows = redacted_rows(REDACTOR, make_rows(call(), PriceList()))
    written = repr(rows)
    for secret in SECRETS.values():
        assert secret not in written
    request, body = rows
    assert re.fullmatch(r"<user:[0-9a-f]{12}>", request.user_id or "")
    assert request.properties["customer"] == REDACTOR.text(ALL)
    assert request.api_key_hash == "4111111111111111"  # a hash of ours is not looked into
    assert orjson.loads(body.request_body or "")["messages"][0]["content"] == REDACTOR.text(ALL)
    assert body.response_text == REDACTOR.text(ALL)


def test_tokens_and_money_are_those_of_the_original(tmp_path: Path) -> None:
    whole = call()
    assert whole.end
    event = orjson.dumps({"choices": [{"index": 0, "delta": {"content": ALL}}]})
    cut = replace(
        whole,
        end=replace(whole.end, content_type="text/event-stream", complete=False),
        response=b"data: " + event + b"\n\n",
    )
    plain, _ = make_rows(cut, PriceList())
    private, _ = RowMaker(PriceList(), tmp_path, None, redactor=REDACTOR)(cut)
    assert plain.usage_source == "estimated"
    assert plain.cost_nanousd
    assert (private.input_tokens, private.output_tokens) == (plain.input_tokens, plain.output_tokens)
    assert private.cost_nanousd == plain.cost_nanousd
    assert redacted_request(cut).cost_nanousd == plain.cost_nanousd


def test_equal_users_stay_equal() -> None:
    rows = [redacted_request(call(user_id=user)) for user in (MAIL, MAIL, "bob@example.org")]
    assert rows[0].user_id == rows[1].user_id != rows[2].user_id


def redacted_request(call: Call) -> RequestRow:
    return redacted_rows(REDACTOR, make_rows(call, PriceList()))[0]


def test_events_are_redacted() -> None:
    event = PropertyChangeRow(request_id="x", created_at=datetime.now(UTC), name="note", value=ALL)
    assert redacted(REDACTOR, event).value == REDACTOR.text(ALL)


def test_the_worker_for_large_calls_redacts_as_well(tmp_path: Path) -> None:
    (tmp_path / "heliograph.toml").write_text("[redact]\n")
    large = replace(
        call(), request=orjson.dumps({"model": "gpt-4o-mini", "messages": [], "pad": "x " * 2**18, "to": MAIL})
    )
    maker = RowMaker(PriceList(), tmp_path, None, redactor=redactor_of(Rules(), tmp_path))
    try:
        _, body = maker(large)
    finally:
        maker.close()
    assert body.request_body
    assert MAIL not in body.request_body
    assert "<mail:" in body.request_body


def journalled(data: Path) -> None:
    """One call of a run that has ended."""
    journal = Journal(Folders(data).journal)
    journal.open()
    given = call()
    assert given.end
    journal.start("c", given.start)
    journal.piece("c", "request", given.request)
    journal.piece("c", "response", given.response)
    journal.end("c", given.end, True)
    journal.tell([PropertyChangeRow(request_id="x", created_at=datetime.now(UTC), name="note", value=ALL)])
    journal.close()


def files_with(data: Path, secret: str) -> list[str]:
    return [path.name for path in data.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


def test_after_settling_no_file_has_a_secret(tmp_path: Path) -> None:
    Folders(tmp_path).make()
    (tmp_path / "heliograph.toml").write_text(
        '[redact]\nusers = true\n[[redact.own]]\nname="employee"\npattern="EMP-[0-9]+"\n'
    )
    journalled(tmp_path)
    assert files_with(tmp_path, MAIL)  # the journal, until it is settled
    assert settle_leftovers(tmp_path) == 1
    for kind, secret in SECRETS.items():
        assert kind == "ip" or not files_with(tmp_path, secret)


@pytest.mark.parametrize("broken", ["[redact]\npatterns = ['mails']\n", "[redact\n"])
def test_with_a_mistake_in_the_rules_nothing_is_settled(tmp_path: Path, broken: str) -> None:
    Folders(tmp_path).make()
    redaction_key(tmp_path, {})  # something was redacted here before
    (tmp_path / "heliograph.toml").write_text(broken)
    _, problems = load_what_can_be_read(tmp_path)
    assert unreadable_rules(problems, tmp_path)
    journalled(tmp_path)
    with pytest.raises(Exception, match="nothing is settled until it is corrected"):
        settle_leftovers(tmp_path)
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_file_that_cannot_be_read_stops_nobody_who_never_redacted(tmp_path: Path) -> None:
    (tmp_path / "heliograph.toml").write_text("[redact\n")
    _, problems = load_what_can_be_read(tmp_path)
    assert problems
    assert not unreadable_rules(problems, tmp_path)


def test_a_call_that_cannot_be_read_has_no_bodies(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Folders(tmp_path).make()
    journalled(tmp_path)

    def buggy(_: Call) -> Any:
        raise ValueError(f"cannot read {MAIL}")

    settler = Settler(Folders(tmp_path), buggy, bare_rows, redactor=REDACTOR)
    while settler.step():
        pass
    settler.close()
    assert MAIL not in capfd.readouterr().err
    assert not [name for name in files_with(tmp_path, MAIL) if not re.match(r"\d{8}T", name)]  # but the journal
    assert not [
        path for path in (tmp_path / "lake").rglob("*") if path.is_file() and MAIL.encode() in path.read_bytes()
    ]


def test_the_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    assert not has_key(tmp_path, {})
    key = redaction_key(tmp_path, {})
    assert redaction_key(tmp_path, {}) == key
    assert Folders(tmp_path).redaction_key.stat().st_mode & 0o777 == 0o600
    assert redaction_key(tmp_path, {VARIABLE: "a key of the company"}) == b"a key of the company"
    with pytest.raises(ValueError, match="at least 16"):
        redaction_key(tmp_path, {VARIABLE: "short"})
