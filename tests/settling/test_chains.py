"""A call that goes on with a response by its id belongs to that response's session."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from addon.metering.price import PriceList
from addon.settling.chains import KEEP_S, Chains, Link
from addon.settling.journal_reader import AMEND_S, Call
from addon.settling.parents import PATIENCE_S
from addon.settling.rows import bare_rows, make_rows
from addon.settling.settler import Settler
from addon.storage.folders import Folders
from addon.storage.journal import Journal
from addon.storage.journal_lines import CallEnd
from tests.providers.cases.reading import FOLDER, read_case
from tests.storage.calls import NOON_US, Clock, call_start, stored

PRICES = PriceList()
SOURCES = {  # https://developers.openai.com/api/reference/resources/responses, https://ai.google.dev/api/interactions-api
    "openai": ("openai/responses.toml", "previous_response_id"),
    "gemini": ("gemini/interaction.toml", "previous_interaction_id"),
}


def link(previous: str | None, response: str | None, session: str | None = None, fallback: str | None = None) -> Link:
    return Link("openai", previous, response, session, fallback or previous)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chains.sqlite"


def test_a_chain_is_named_after_its_first_response(path: Path) -> None:
    chains = Chains(path)
    assert [chains.session(link(*ids)) for ids in ((None, "r1"), ("r1", "r2"), ("r2", "r3"), ("r1", "branch"))] == [
        None,
        "r1",
        "r1",
        "r1",
    ]
    chains.close()


def test_a_chain_has_the_session_that_one_of_its_calls_names(path: Path) -> None:
    chains = Chains(path)
    assert chains.session(link(None, "r1", "s1")) == "s1"
    assert chains.session(link("r1", "r2")) == "s1"
    assert chains.session(link("r2", "r3", "s2")) == "s2"
    assert chains.session(link("r3", "r4")) == "s2"
    chains.close()


def test_what_was_told_holds_after_a_restart_and_when_a_row_is_made_again(path: Path) -> None:
    before = Chains(path)
    before.session(link(None, "r1", "s1"))
    before.session(link("r1", "r2"))
    before.close()
    after = Chains(path)
    assert after.session(link("r1", "r2")) == "s1"
    assert after.session(link("r2", "r3")) == "s1"
    after.close()


def test_an_unknown_response_names_the_session(path: Path) -> None:
    chains = Chains(path)
    assert chains.session(link("r7", "r8")) == "r7"
    assert chains.session(link("r8", "r9")) == "r7"
    assert chains.session(link("r70", "r80", fallback="socket")) == "socket"
    assert chains.session(link("r9", None)) == "r7"  # a failed call
    chains.close()


def test_ids_of_two_providers_are_kept_apart(path: Path) -> None:
    chains = Chains(path)
    chains.session(link(None, "r1", "s1"))
    assert chains.session(Link("azure", "r1", "r2", None, "r1")) == "r1"
    chains.close()


def test_old_responses_are_forgotten(path: Path) -> None:
    now = [1000.0]
    chains = Chains(path, clock=lambda: now[0])
    chains.session(link(None, "r1", "s1"))
    now[0] += KEEP_S + 1
    assert chains.session(link("r1", "r2")) == "r1"
    chains.close()


def test_without_a_file_the_response_before_names_the_session(path: Path) -> None:
    chains = Chains(path / "no such folder" / "chains.sqlite")
    assert chains.session(link("r1", "r2")) == "r1"
    assert chains.session(link(None, "r2", "s1")) == "s1"
    chains.close()


def test_a_broken_file_is_made_again(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)
    path.chmod(0o600)
    chains = Chains(path)
    assert chains.session(link("r1", "r2")) == "r1"
    assert chains.session(link("r2", "r3")) == "r2"  # the first use removed it, the second one made it
    assert chains.session(link("r3", "r4")) == "r2"
    chains.close()
    with sqlite3.connect(path) as file:
        assert file.execute("select count(*) from chained").fetchone() == (2,)


def continued(call: Call, member: str, previous: str) -> Call:
    body = orjson.loads(call.request) | {member: previous}
    return replace(call, request=orjson.dumps(body))


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())
def test_rows_of_calls_that_go_on_have_the_session(source: tuple[str, str], path: Path) -> None:
    file, member = source
    call = read_case(FOLDER / file).call()
    chains = Chains(path)
    first, _ = make_rows(call, PRICES, session_of=chains.session)
    assert first.response_id
    assert first.session_id is None
    second, _ = make_rows(continued(call, member, "earlier"), PRICES, session_of=chains.session)
    assert second.session_id == "earlier"
    named = replace(call, start=replace(call.start, session_id="s1"))
    third, _ = make_rows(continued(named, member, first.response_id), PRICES, session_of=chains.session)
    assert third.session_id == "s1"
    chains.close()


@pytest.mark.parametrize("previous", ["x" * 5000, 7, None, ["resp_1"], ""])
def test_what_is_not_an_id_names_no_session(previous: object, path: Path) -> None:
    call = read_case(FOLDER / "openai/responses.toml").call()
    chains = Chains(path)
    body = orjson.loads(call.request) | {"previous_response_id": previous}
    row, _ = make_rows(replace(call, request=orjson.dumps(body)), PRICES, session_of=chains.session)
    assert row.session_id is None
    chains.close()


def test_a_socket_gives_way_to_the_chain(path: Path) -> None:
    call = read_case(FOLDER / "openai/responses.toml").call()
    chains = Chains(path)
    on_socket = replace(call, start=replace(call.start, socket_id="socket-1"))
    first, _ = make_rows(on_socket, PRICES, session_of=chains.session)
    assert first.session_id == "socket-1"
    other = replace(call, start=replace(call.start, socket_id="socket-2"))
    assert first.response_id
    goes_on, _ = make_rows(
        continued(other, "previous_response_id", first.response_id), PRICES, session_of=chains.session
    )
    assert goes_on.session_id == "socket-1"
    chains.close()


# Rows of calls that are ready before the call that they continue


def responses_settler(folders: Folders, clock: Clock) -> Settler:
    chains = Chains(folders.chains)
    return Settler(folders, lambda call: make_rows(call, PRICES, session_of=chains.session), bare_rows, clock=clock)


def journal_response(
    journal: Journal, name: str, second: int, *, previous: str = "", session: str | None = None, words: int = 1
) -> CallEnd:
    """A call that began in that second; its end is still to come."""
    start = replace(
        call_start(name, NOON_US + second * 1_000_000),
        operation_name="responses",
        path="/v1/responses",
        session_id=session,
    )
    request = {"model": "gpt-4o", "input": "word " * words} | ({"previous_response_id": previous} if previous else {})
    journal.start(name, start)
    journal.piece(name, "request", orjson.dumps(request))
    journal.piece(name, "response", orjson.dumps({"id": name, "object": "response", "status": "completed"}))
    return CallEnd(status=200, content_type="application/json")


def sessions(folders: Folders) -> dict[str, str | None]:
    return {row["request_id"]: row.get("session_id") for row in stored(folders.data)}


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def opened(folders: Folders) -> Journal:
    journal = Journal(folders.journal, segment_bytes=2**40, segment_age_s=2**40)
    journal.open()
    return journal


def test_a_call_that_goes_on_with_a_large_one_waits_for_its_session(folders: Folders) -> None:
    journal, clock = opened(folders), Clock()
    journal.end("large", journal_response(journal, "large", 0, session="s1", words=100_000), final=True)
    journal.end("next", journal_response(journal, "next", 1, previous="large"), final=True)
    settler = responses_settler(folders, clock)
    settler.step()
    settler.step()
    assert sessions(folders) == {"large": "s1", "next": "s1"}
    settler.close()
    journal.close()


def test_a_call_waits_while_the_end_of_the_one_before_it_may_be_amended(folders: Folders) -> None:
    journal, clock = opened(folders), Clock()
    journal.end("first", journal_response(journal, "first", 0, session="s1"), final=False)
    journal.end("next", journal_response(journal, "next", 1, previous="first"), final=True)
    settler = responses_settler(folders, clock)
    settler.step()
    assert sessions(folders) == {}
    clock.now += AMEND_S
    settler.step()
    settler.step()
    assert sessions(folders) == {"first": "s1", "next": "s1"}
    settler.close()
    journal.close()


def test_a_call_waits_for_what_a_dead_proxy_left(folders: Folders) -> None:
    before, clock = opened(folders), Clock()
    before.end("first", journal_response(before, "first", 0, session="s1"), final=True)
    before.close()
    after = opened(folders)
    after.end("next", journal_response(after, "next", 1, previous="first"), final=True)
    settler = responses_settler(folders, clock)
    settler.step()
    settler.step()
    assert sessions(folders) == {"first": "s1", "next": "s1"}
    settler.close()
    after.close()


def test_a_call_does_not_wait_for_an_unknown_response_or_for_long(folders: Folders) -> None:
    journal, clock = opened(folders), Clock()
    journal_response(journal, "under way", 0)
    journal.end("next", journal_response(journal, "next", 1, previous="unknown"), final=True)
    journal.end("later", journal_response(journal, "later", 2, session="s1"), final=False)
    settler = responses_settler(folders, clock)
    settler.step()
    assert sessions(folders) == {"next": "unknown"}
    journal.end("waits", journal_response(journal, "waits", 3, previous="other"), final=True)
    settler.step()
    assert sessions(folders) == {"next": "unknown"}
    clock.now += AMEND_S + PATIENCE_S
    settler.step()
    assert sessions(folders) == {"next": "unknown", "later": "s1", "waits": "other"}
    settler.close()
    journal.close()
