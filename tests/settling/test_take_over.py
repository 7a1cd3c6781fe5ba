"""A new data folder in place of one whose disk is lost: what the lost one has shipped is changed from there."""

import re
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from addon.commands.cli import main
from addon.objects.store import Store
from addon.settling.shipped import owner_of, released_days
from addon.settling.shipping import Foreign, Shipper
from addon.settling.take_over import NotLost, take_over
from addon.storage import heartbeat
from addon.storage.folders import Folders
from tests.analysis.writing import made_up_rows, to_parquet
from tests.buckets import stored_ids
from tests.objects.google import Google
from tests.settling.in_bucket import URL, files_here, shipper_of

ROWS = made_up_rows(40)  # of 2026-11-19 and 20
ALL = Counter(row.request_id for row in ROWS)
OF_ANN = Counter(row.request_id for row in ROWS if row.user_id == "ann")


@pytest.fixture
def lost(tmp_path: Path, google_store: Google) -> Folders:
    """A folder that has shipped all."""
    folders = Folders(tmp_path / "lost")
    to_parquet(folders.data, ROWS, 1)
    Shipper(folders, Store(URL)).round()
    return folders


@pytest.fixture
def new(tmp_path: Path) -> Folders:
    folders = Folders(tmp_path / "new")
    folders.data.mkdir(mode=0o700)
    (folders.data / "heliograph.toml").write_text(f'lake = "{URL}"\n')
    return folders


def run(folders: Folders, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--data", str(folders.data)])


def test_forget_reaches_the_calls_of_a_lost_folder(lost: Folders, new: Folders) -> None:
    store, owner = Store(URL), owner_of(lost)
    told = run(new, "ship", "--take-over", owner)
    assert told.exit_code == 0, told.output
    assert f"({owner}) now: 2 days, " in told.stdout
    assert stored_ids(store) == ALL and not files_here(new), "nothing is changed, and nothing is brought here"
    told = run(new, "forget", "--user", "ann", "--yes")
    assert told.exit_code == 0, told.output
    assert stored_ids(store) == stored_ids(store, "bodies") == ALL - OF_ANN


def test_it_can_be_done_again_and_takes_back_nothing_that_was_changed_since(lost: Folders, new: Folders) -> None:
    for _ in range(2):
        assert run(new, "ship", "--take-over", owner_of(lost)).exit_code == 0
    assert run(new, "forget", "--user", "ann", "--yes").exit_code == 0
    assert run(new, "ship", "--take-over", owner_of(lost)).exit_code == 0
    assert stored_ids(Store(URL)) == ALL - OF_ANN
    assert run(new, "forget", "--user", "bob", "--yes").exit_code == 0
    assert run(new, "ship").exit_code == 0  # the files are here since the first change
    assert not stored_ids(Store(URL)).keys() & {row.request_id for row in ROWS if row.user_id in ("ann", "bob")}


def test_a_try_that_was_cut_off_is_completed(lost: Folders, new: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Store.get
    asked: list[str] = []

    def cut_off(store: Store, path: str) -> tuple[bytes, str | None]:
        asked.append(path)
        if len(asked) == 2:
            raise OSError("the machine stops")
        return real(store, path)

    monkeypatch.setattr(Store, "get", cut_off)
    with pytest.raises(OSError, match="the machine stops"):
        take_over(new, Store(URL), owner_of(lost))
    assert len(released_days(new)) == 1
    assert take_over(new, Store(URL), owner_of(lost)).days == 2
    assert len(released_days(new)) == 2


def test_new_calls_of_the_folder_join_those_that_it_took_over(lost: Folders, new: Folders) -> None:
    take_over(new, Store(URL), owner_of(lost))
    more = made_up_rows(60)[40:]
    to_parquet(new.data, more, 2)
    shipper_of(new).round()
    assert stored_ids(Store(URL)) == ALL + Counter(row.request_id for row in more)


def test_a_lost_folder_that_comes_back_changes_nothing_that_was_changed(lost: Folders, new: Folders) -> None:
    assert run(new, "ship", "--take-over", owner_of(lost)).exit_code == 0
    assert run(new, "forget", "--user", "ann", "--yes").exit_code == 0
    to_parquet(lost.data, made_up_rows(60)[40:], 3)
    with pytest.raises(Foreign, match="is not what this folder has put there"):
        Shipper(lost, Store(URL)).round()
    assert stored_ids(Store(URL)) == ALL - OF_ANN


def test_a_folder_whose_proxy_runs_is_not_lost(lost: Folders, new: Folders) -> None:
    store, owner = Store(URL), owner_of(lost)
    store.replace(heartbeat.object_path(owner), b"{}")
    (told,) = store.list(f"{heartbeat.FOLDER}/")
    with pytest.raises(NotLost, match=r"told of .* 100 s ago, so that folder is not lost"):
        take_over(new, store, owner, lambda: told.at + 100)
    assert take_over(new, store, owner, lambda: told.at + 300).days == 2


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (
            ("--take-over", "0123456789abcdef"),
            1,
            r"has no calls of 0123456789abcdef; it has those of\n  \w{16}  .*, 2 days",
        ),
        (("--take-over", "../../x"), 1, r"has no calls of \.\./\.\./x; it has those of"),
        (("--take-over", "x", "--recall"), 2, "run --recall after it"),
    ],
)
def test_what_cannot_be_is_said(
    lost: Folders, new: Folders, arguments: tuple[str, ...], status: int, says: str
) -> None:
    told = run(new, "ship", *arguments)
    assert told.exit_code == status
    assert re.search(says, told.stderr), told.stderr
    assert not new.shipping.exists() or not any(new.shipping.glob("owner"))


def test_a_folder_with_calls_of_its_own_stays_what_it_is(lost: Folders, new: Folders) -> None:
    owner = owner_of(lost)
    to_parquet(new.data, made_up_rows(60)[40:], 1)
    for _ in range(2):  # before it has an id, and with one
        told = run(new, "ship", "--take-over", owner)
        assert told.exit_code == 1 and "is a data folder of its own already" in told.stderr
        assert owner_of(new) != owner
