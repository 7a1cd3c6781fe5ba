"""`heliograph forget`, `forget --expired` and `reprice` of calls whose files are in a bucket only: rows change there as they do
here, once, whatever is killed."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from addon.commands.cli import main
from addon.commands.forget_pass import PATIENCE_S, Wanted, find, remove
from addon.config.settings import load
from addon.config.shipping import Shipping
from addon.config.stores import open_stores
from addon.objects.store import Store
from addon.settling.compact import only_merger
from addon.settling.released import MOST_DAYS, Released
from addon.settling.shipping import Shipper
from addon.storage.folders import Folders, tried_lock
from addon.storage.record import FeedbackRow
from analysis.lake import Lake
from analysis.released_files import ReleasedFiles
from tests.analysis.writing import made_up_rows, tell, to_parquet
from tests.buckets import stored_ids
from tests.objects.google import Google
from tests.settling.in_bucket import URL, files_here, release, shipper_of
from tests.settling.kills import killed_before_each_step

ROWS = made_up_rows(40)  # of 2026-11-19 and 20
ALL = Counter(row.request_id for row in ROWS)
OF_ANN = Counter(row.request_id for row in ROWS if row.user_id == "ann")
ALL_OTHERS = ALL - OF_ANN


@pytest.fixture
def folders(tmp_path: Path, google_store: Google) -> Folders:
    """A folder all of whose files are in the bucket only."""
    folders = Folders(tmp_path / "data")
    to_parquet(folders.data, ROWS, 1)
    calls = (next(iter(OF_ANN)), next(iter(ALL_OTHERS)))
    said = [FeedbackRow(request_id=call, created_at=ROWS[-1].started_at, rating=True) for call in calls]
    tell(folders.data, said, 3, parquet=True)
    (folders.data / "heliograph.toml").write_text(f'lake = "{URL}"\n[shipping]\nkeep_local_days = 32\n')
    Shipper(folders, Store(URL)).round()
    release(folders)
    return folders


def run(folders: Folders, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--data", str(folders.data)])


def test_forget_finds_calls_in_the_bucket_and_deletes_them_there(folders: Folders) -> None:
    store = Store(URL)
    told = run(folders, "forget", "--user", "ann", "--yes")
    assert told.exit_code == 0, told.output
    receipt = json.loads(told.stdout)
    assert receipt["removed"] == {"feedback": 1, "requests": len(OF_ANN), "bodies": len(OF_ANN)} | {
        "scores": 0,
        "property_changes": 0,
    }
    assert f"{URL} has the change" in told.stderr
    assert stored_ids(store) == stored_ids(store, "bodies") == ALL_OTHERS
    assert sum(stored_ids(store, "feedback").values()) == 1
    release(folders)
    again = run(folders, "forget", "--user", "ann", "--yes")
    assert again.exit_code == 0 and "no stored call fits" in again.stderr


def test_a_user_with_other_calls_in_the_bucket_is_still_known(folders: Folders) -> None:
    one = next(iter(OF_ANN))
    with tried_lock(folders.ship_lock), only_merger(folders):
        lake = Lake(folders.data, released=ReleasedFiles(folders.data, URL, folders.data / "seen"))
        assert find(folders, lake, Wanted(where=f"request_id = '{one}'")).names == frozenset()
        assert find(folders, lake, Wanted(where="user_id = 'ann'")).names == {"ann"}


def test_files_that_come_back_while_they_are_listed_count_once(folders: Folders) -> None:
    released = ReleasedFiles(folders.data, URL, folders.data / "seen")
    lake = Lake(folders.data, released=released)

    def count() -> int:
        found = lake.ask(lambda connection: connection.execute("select count(*) from requests").fetchall())
        return int(found[0][0])

    assert count() == 40
    shipper_of(folders).recall([ROWS[0].started_at.date()])
    assert count() == 40
    shipper_of(folders).recall()
    assert count() == 40
    release(folders)
    assert count() == 40


def test_reprice_changes_the_rows_in_the_bucket(folders: Folders) -> None:
    store = Store(URL)
    (folders.data / "heliograph.toml").write_text(
        f'lake = "{URL}"\n[[prices]]\nprovider = "openai"\nmodel = "acme-1"\ninput_usd_per_million = 1.0\n'
    )
    before = {found.path for found in store.list("lake/")}
    told = run(folders, "reprice", "--since", "2026-11-01", "--where", "model = 'acme-1'", "--dry-run", "--json")
    assert told.exit_code == 0, told.output
    assert [row["changed"] for row in json.loads(told.stdout)] != [0]
    assert not files_here(folders), "nothing is brought back to be looked at"
    told = run(folders, "reprice", "--since", "2026-11-01", "--where", "model = 'acme-1'", "--yes")
    assert told.exit_code == 0, told.output
    assert stored_ids(store) == stored_ids(store, "bodies") == ALL
    assert {found.path for found in store.list("lake/bodies/")} <= before, "bodies stay as they are"
    release(folders)
    told = run(folders, "reprice", "--since", "2026-11-01", "--where", "model = 'acme-1'", "--yes")
    assert told.exit_code == 0 and "no cost would change" in told.stderr


def test_forget_expired_looks_through_days_in_the_bucket(folders: Folders) -> None:
    store = Store(URL)
    (folders.data / "heliograph.toml").write_text(f'lake = "{URL}"\n[retention]\nrequests = "1d"\n')
    told = run(folders, "forget", "--expired", "--yes")
    assert told.exit_code == 0, told.output
    assert "2 days that are in the bucket only" in told.stderr
    assert told.stdout.startswith("deleted 2 rows of feedback")
    assert not stored_ids(store) and not stored_ids(store, "bodies") and not stored_ids(store, "feedback")
    told = run(folders, "forget", "--expired", "--yes")
    assert (told.exit_code, told.stdout) == (0, "nothing is due\n")


def test_a_bucket_that_does_not_answer_or_is_not_the_one_of_the_settings_is_told(
    folders: Folders, google_store: Google
) -> None:
    google_store.refuses = (403, "AccessDenied")
    told = run(folders, "forget", "--user", "ann", "--yes")
    assert told.exit_code == 1 and "run this again" in told.stderr
    google_store.refuses = None
    (folders.data / "heliograph.toml").write_text("")
    told = run(folders, "forget", "--user", "ann", "--yes")
    assert told.exit_code == 1 and "only in a bucket that the settings do not name (now: lake = nothing)" in told.stderr
    assert stored_ids(Store(URL)) == ALL


def test_more_days_than_are_brought_back_at_once(folders: Folders) -> None:
    older = [
        replace(row, request_id=f"{row.request_id[:-1]}f", started_at=row.started_at - timedelta(days=10 + number))
        for number, row in enumerate(ROWS[: MOST_DAYS + 1])
    ]
    to_parquet(folders.data, older, 60)
    Shipper(folders, Store(URL)).round()
    release(folders)
    told = run(folders, "forget", "--where", "request_id like '%f'", "--yes")
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["removed"]["requests"] == MOST_DAYS + 1 + sum(call.endswith("f") for call in ALL)
    assert stored_ids(Store(URL)) == Counter(call for call in ALL if not call.endswith("f"))


def test_killed_at_each_step_forgotten_calls_go_and_others_stay_once(folders: Folders) -> None:
    store, day = Store(URL), ROWS[0].started_at.date()
    stays = ALL - Counter(row.request_id for row in ROWS if row.user_id == "ann" and row.started_at.date() == day)

    def never_less_nor_twice() -> None:
        found = stored_ids(store)
        assert found >= stays and found <= ALL

    def act(step: Callable[[str], None]) -> None:
        with tried_lock(folders.ship_lock) as ours, only_merger(folders):
            assert ours
            shipper = shipper_of(folders, step, is_only_merger=True)
            lake = Lake(folders.data, released=ReleasedFiles(folders.data, URL, folders.data / "seen"))
            found = find(folders, lake, Wanted(user="ann", where=f"date = '{day}'"))
            stores = open_stores(load(folders.data, None), {}, patience_s=PATIENCE_S)
            remove(folders, stores, found, lambda: None, Released(folders, shipper, Shipping(2**40, 32)))

    steps = killed_before_each_step(act, never_less_nor_twice)
    assert {what.split()[0] for what in steps} == {"get", "note", "put", "delete"}
    assert stored_ids(store) == stored_ids(store, "bodies") == stays
    assert not files_here(folders), "they went from here again"
