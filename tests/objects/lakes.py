"""What a lake needs of any store: the same steps for each of them."""

from collections import Counter
from pathlib import Path

import pyarrow.compute as pc
import pytest

from addon.config.shipping import Shipping
from addon.objects import manifest
from addon.objects.stand_in import stand_in
from addon.objects.store import PART_BYTES, Changed, NotThere, Store, Unchanged, md5_of
from addon.settling.compact import only_merger
from addon.settling.rewrite import rewrite
from addon.settling.shipping import GONE_S, Shipper
from addon.storage.folders import Folders
from analysis.lake import Connection, Lake
from tests.analysis.writing import made_up_rows, to_parquet
from tests.buckets import stored_ids

ROWS = made_up_rows(60)
_YEAR_S = 400 * 86_400


def put_read_list_and_delete(store: Store, folder: Path, large_bytes: int = PART_BYTES) -> None:
    """Conditions, listings, ranges, a large file."""
    store.put("marker", b"lake", None)
    store.learn_conditions("marker", b"lake")
    store.delete(["marker"])
    first = store.put("notes/a.json", b"one", None)
    with pytest.raises(Changed):
        store.put("notes/a.json", b"two", None)
    second = store.put("notes/a.json", b"two", first)
    with pytest.raises(Changed):
        store.put("notes/a.json", b"three", first)
    assert store.get("notes/a.json") == (b"two", second)
    with pytest.raises(Unchanged):
        store.get_changed("notes/a.json", second, 100)
    assert store.get_changed("notes/a.json", first, 100)[0] == b"two"
    assert store.get_range("notes/a.json", 1, 2) == b"wo"
    (found,) = store.list("notes/")
    assert (found.path, found.size, found.etag) == ("notes/a.json", 3, second), (
        "a reader asks only for what has changed"
    )
    large = folder / "large"
    large.write_bytes(b"0123456789abcdef" * (large_bytes // 16))
    store.put_file("large", large, md5_of(large))
    store.get_file("large", folder / "again")
    assert md5_of(folder / "again") == md5_of(large)
    store.replace("notes/a.json", b"four")
    store.delete(["large", "notes/a.json", "never there"])
    assert not list(store.list(""))
    for path in ("large", "notes/a.json"):
        with pytest.raises(NotThere):
            store.get(path)
    with pytest.raises(Changed):
        store.put("notes/a.json", b"five", second)


def ship_read_change_and_recall(url: str, folder: Path, now: float) -> None:
    """A lake from its first row to its last: each row counts once at every step."""
    clock = [now + _YEAR_S]
    folders, store = Folders(folder / "data"), Store(url)
    to_parquet(folders.data, ROWS[:20], 1)
    shipper = Shipper(folders, store, clock=lambda: clock[0])
    shipper.round()
    to_parquet(folders.data, ROWS[20:], 2)
    shipper.round()  # replaces a manifest
    wanted = Counter(row.request_id for row in ROWS)
    assert stored_ids(store) == stored_ids(store, "bodies") == wanted
    assert _read(url) == (60, sum(row.cost_nanousd or 0 for row in ROWS))
    shipper.release(Shipping(max_local_bytes=2**40))
    assert not list(folders.data.glob("lake/*/*/*.parquet"))
    assert Shipper(folders, store, clock=lambda: clock[0]).recall()
    gone = pc.field("request_id") == ROWS[0].request_id
    with only_merger(folders):
        for day in {row.started_at.date() for row in ROWS}:
            rewrite(folders, "requests", day, gone, lambda rows: rows.filter(pc.invert(gone)))
    del wanted[ROWS[0].request_id]
    shipper = Shipper(folders, store, clock=lambda: clock[0])
    shipper.round()
    assert stored_ids(store) == wanted
    clock[0] += GONE_S
    shipper.round()
    named = {
        manifest.object_path(table, each.day, name)
        for found in store.list(f"{manifest.MANIFESTS}/")
        for each in [manifest.loaded(store.get(found.path)[0])]
        for table, name, _ in each.each()
    }
    assert {found.path for found in store.list("lake/")} == named, "what was replaced is deleted"


def _read(url: str) -> tuple[int, int]:
    def question(connection: Connection) -> tuple[int, int]:
        found = connection.execute("select count(*), sum(cost_nanousd)::bigint from requests").fetchone()
        assert found
        return found[0], found[1]

    return Lake(stand_in(url)).ask(question)
