"""A call that goes on with a response by its id belongs to that response's session."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from addon.metering.price import PriceList
from addon.settling.chains import KEEP_S, Chains, Link
from addon.settling.journal_reader import Call
from addon.settling.rows import make_rows
from tests.providers.cases.reading import FOLDER, read_case

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
