"""The doctor on a fleet: what its proxies tell of themselves, through Redis and through a bucket."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from addon.commands.doctor import doctor
from addon.config.settings import load
from addon.objects.store import Store
from addon.settling.heartbeats import Heartbeats, tell
from addon.settling.ship_status import Status, write_status
from addon.storage import heartbeat
from addon.storage.folders import Folders, make_folder
from addon.storage.heartbeat import Heartbeat, OtherFormat
from addon.storage.presence import Presence, Running
from analysis.health.finding import BAD, GOOD, NOTE
from analysis.health.fleet import Fleet, Member, fleet_findings, fleet_of
from tests.buckets import make_bucket, s3_server, use
from tests.redis_server import needs_redis, running

NOW = 1_800_000_000.0
BEAT = Heartbeat(owner="0" * 16, host="a", version="1.0", lake_format=1, at=NOW, listen="10.0.0.1:8787", ships=True)
OTHER = replace(BEAT, owner="1" * 16, host="b")


def said(*members: Member) -> list[tuple[str, str]]:
    return [(each.level, f"{each.subject}: {each.says}") for each in fleet_findings(Fleet(members))]


def member(beat: Heartbeat, silent_s: float = 10.0) -> Member:
    return Member(beat, beat.at, beat.at + silent_s)


def test_a_heartbeat_is_read_as_it_was_written_and_unknown_fields_are_left_out() -> None:
    text = heartbeat.dumped(replace(BEAT, trouble="full"))
    assert heartbeat.loaded(text) == replace(BEAT, trouble="full")
    assert heartbeat.loaded(json.dumps({**json.loads(text), "more": 1}).encode()) == replace(BEAT, trouble="full")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            json.dumps({"format": 2, **asdict(BEAT)}).encode(),
            "written by a newer heliograph (format 2, this one knows 1)",
        ),
        (b"{", "not written by heliograph"),
        (b"[]", "not written by heliograph"),
        (b'{"format": 1}', "not written by heliograph"),
    ],
)
def test_what_is_not_a_heartbeat_of_ours_is_told_in_words(text: bytes, why: str) -> None:
    with pytest.raises(OtherFormat) as told:
        heartbeat.loaded(text)
    assert why in str(told.value)


def test_a_fleet_in_order_has_one_good_line() -> None:
    assert said(member(BEAT), member(OTHER)) == [(GOOD, "fleet: 2 of 2 data folders told of themselves lately")]
    assert said()[0][0] == NOTE


@pytest.mark.parametrize(
    ("wrong", "level", "words"),
    [
        (member(BEAT, 600), BAD, "a (10.0.0.1:8787): was last heard of 10 min ago"),
        (Member(replace(BEAT, at=NOW + 3600), NOW, NOW), BAD, "its clock is 60 min ahead; set it (NTP)"),
        (Member(replace(BEAT, at=NOW - 12), NOW, NOW), BAD, "its clock is 12 s behind"),
        (member(replace(BEAT, version="0.9")), NOTE, "versions differ: 0.9: a (10.0.0.1:8787); 1.0: b"),
        (member(replace(BEAT, lake_format=2)), BAD, "another format of the lake; update b (10.0.0.1:8787)"),
        (member(replace(BEAT, secret="x")), BAD, "the files `secret` differ"),
        (member(replace(BEAT, settings="x")), NOTE, "settings differ: a (10.0.0.1:8787); b (10.0.0.1:8787)"),
        (member(replace(BEAT, settings_problem="line 3")), BAD, "runs on old settings: line 3"),
        (
            member(replace(BEAT, trouble="no such bucket", waiting_calls=1234, waiting_bytes=5_600_000)),
            BAD,
            "cannot ship, 1,234 calls (5.6 MB) wait on its disk: no such bucket",
        ),
        (member(replace(BEAT, shipped_at=NOW - 900)), NOTE, "nothing was shipped since 2027-01-15 07:45 UTC"),
    ],
)
def test_what_is_wrong_is_told_with_what_to_do(wrong: Member, level: str, words: str) -> None:
    found = [text for found_level, text in said(wrong, member(OTHER)) if found_level == level]
    assert any(words in text for text in found), found
    assert said(wrong, member(OTHER))[-1][0] in (GOOD, NOTE)


# With a real Redis and a real store.


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """URLs of a Redis and of S3."""
    with running(tmp_path_factory.mktemp("redis")) as redis, s3_server() as s3:
        yield redis.url, s3


type Make = Callable[[str], Path]


@pytest.fixture
def make(
    places: tuple[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest
) -> Make:
    """Makes data folders that share both."""
    name = f"fleet-{abs(hash(request.node.name)):x}"
    use(monkeypatch, places[1])
    lake = make_bucket(places[1], name)

    def make(folder: str) -> Path:
        data = tmp_path / folder
        make_folder(data)
        (data / "secret").write_text("ab" * 32)
        text = f'lake = "{lake}"\n[shared]\nurl = "{places[0]}"\nprefix = "{name}"\n'
        (data / "heliograph.toml").write_text(text)
        return data

    return make


@needs_redis
@pytest.mark.parametrize("only", ["", "lake", "[shared]"])
def test_every_proxy_that_told_of_itself_is_in_the_list_wherever_it_told(make: Make, only: str) -> None:
    folders = [make("one"), make("two")]
    for data in folders:
        text = (data / "heliograph.toml").read_text()
        if only == "lake":
            (data / "heliograph.toml").write_text(text.partition("[shared]")[0])
        elif only:
            (data / "heliograph.toml").write_text(text[text.index("[shared]") :])
        tell(Folders(data), load(data))
    fleet = fleet_of(folders[0], None)
    assert fleet
    assert len({each.beat.owner for each in fleet.members}) == len(fleet.members) == 2
    assert [each.level for each in fleet_findings(fleet)] == [GOOD]


@needs_redis
def test_a_clock_that_is_wrong_by_an_hour_is_told_and_a_proxy_that_has_ended_in_order_is_not(make: Make) -> None:
    one, two = make("one"), make("two")
    tell(Folders(one), load(one), clock=lambda: 1_000_000.0)
    tell(Folders(two), load(two))
    fleet = fleet_of(two, None)
    assert fleet
    (wrong,) = [each for each in fleet_findings(fleet) if each.level == BAD]
    assert "its clock is" in wrong.says
    assert "behind" in wrong.says
    tell(Folders(one), load(one), is_last=True)
    fleet = fleet_of(two, None)
    assert fleet
    assert len(fleet.members) == 1


@needs_redis
def test_a_proxy_that_ends_with_calls_that_are_not_shipped_stays_in_the_list(make: Make) -> None:
    data = make("one")
    folders = Folders(data)
    make_folder(folders.shipping)
    url = load(data).lake
    assert url
    write_status(folders, Status(url, trouble="it is full", waiting_calls=7, waiting_bytes=100))
    tell(folders, load(data), is_last=True)
    fleet = fleet_of(data, None)
    assert fleet
    assert [each.beat.waiting_calls for each in fleet.members] == [7]


@needs_redis
def test_the_doctor_prints_a_table_or_json_and_names_a_newer_version(make: Make) -> None:
    data = make("one")
    folders = Folders(data)
    make_folder(folders.running)
    presence = Presence(folders)
    presence.say(Running(pid=1, listen="10.0.0.1:8787", config="", started_at=0, workers=3))
    heartbeats = Heartbeats(folders, None, lambda text: pytest.fail(text))
    heartbeats.finish()
    presence.close()
    url = load(data).lake
    assert url
    Store(url).replace("fleet/ffffffffffffffff.json", b'{"format": 99}')
    arguments = ["--data", str(data), "--fleet"]
    printed = CliRunner().invoke(doctor, arguments)
    assert printed.exit_code == 1
    assert "(10.0.0.1:8787)" in printed.output
    assert "fleet/ffffffffffffffff.json: written by a newer heliograph (format 99" in printed.output
    told = json.loads(CliRunner().invoke(doctor, [*arguments, "--json"]).output)
    (proxy,) = told["proxies"]
    assert (proxy["listen"], proxy["workers"], proxy["waiting_calls"]) == ("10.0.0.1:8787", 3, 0)
    assert {each["level"] for each in told["findings"]} == {BAD, GOOD}


def test_without_anything_shared_there_is_no_fleet(tmp_path: Path) -> None:
    done = CliRunner().invoke(doctor, ["--data", str(tmp_path), "--fleet"])
    assert done.exit_code == 1
    assert "shares nothing" in done.output
