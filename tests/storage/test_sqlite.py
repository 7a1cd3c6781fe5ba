"""The life of one SQLite file: made, shared, deleted, broken. What each store does with it is tested with the store."""

import sqlite3
import stat
from pathlib import Path

import pytest

from addon.storage.sqlite import Broken, SqliteFile, is_broken, transaction

SCHEMA = "create table if not exists numbers (n integer);"


def sqlite_file(path: Path, schema: str = SCHEMA, *, version: int = 0, replace_broken: bool = False) -> SqliteFile:
    return SqliteFile(path, schema, version=version, busy_s=0.01, synchronous="normal", replace_broken=replace_broken)


def add(file: SqliteFile, number: int) -> None:
    with file.connection(create=True) as connection, transaction(connection):
        connection.execute("insert into numbers values (?)", (number,))


def numbers(file: SqliteFile) -> list[int]:
    with file.connection(create=True) as connection:
        return [number for (number,) in connection.execute("select n from numbers order by n")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.sqlite"


def test_the_file_and_its_side_files_are_private_and_in_wal_mode(path: Path) -> None:
    add(sqlite_file(path), 1)
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["some.sqlite", "some.sqlite-shm", "some.sqlite-wal"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_missing_file_is_made_only_on_request(path: Path) -> None:
    with pytest.raises(FileNotFoundError), sqlite_file(path).connection():
        pass
    assert not path.exists()


def test_a_file_of_an_earlier_version_gets_new_tables(path: Path) -> None:
    old = sqlite_file(path)
    add(old, 1)
    old.close()
    new = sqlite_file(path, SCHEMA + "create table if not exists names (name text);")
    with new.connection() as connection:
        connection.execute("insert into names values ('one')")
    assert numbers(new) == [1]


def test_a_transaction_that_fails_leaves_nothing_and_the_connection_goes_on(path: Path) -> None:
    file = sqlite_file(path)
    with pytest.raises(ZeroDivisionError), file.connection(create=True) as connection, transaction(connection):
        connection.execute("insert into numbers values (1)")
        1 / 0  # noqa: B018
    add(file, 2)
    assert numbers(file) == [2]


@pytest.mark.parametrize("replace_broken", [False, True])
def test_a_broken_file_stays_or_is_replaced(path: Path, replace_broken: bool) -> None:
    path.write_bytes(b"not a database " * 1000)
    file = sqlite_file(path, replace_broken=replace_broken)
    with pytest.raises(sqlite3.DatabaseError) as raised:
        add(file, 1)
    assert is_broken(raised.value)
    assert path.exists() is not replace_broken
    if replace_broken:
        add(file, 1)
        assert numbers(file) == [1]


def test_a_user_of_the_connection_can_call_the_file_broken(path: Path) -> None:
    file = sqlite_file(path, replace_broken=True)
    add(file, 1)
    with pytest.raises(Broken), file.connection():
        raise Broken("a checksum is wrong")
    assert numbers(file) == []


def test_a_file_of_another_version_is_broken(path: Path) -> None:
    first = sqlite_file(path, version=1, replace_broken=True)
    add(first, 1)
    first.close()
    second = sqlite_file(path, version=2, replace_broken=True)
    with pytest.raises(OSError, match="not ours"):
        add(second, 2)
    add(second, 2)
    assert numbers(second) == [2]


def test_a_locked_file_is_an_error_and_usable_once_the_lock_is_gone(path: Path) -> None:
    file = sqlite_file(path)
    add(file, 1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(sqlite3.OperationalError, match="locked") as raised:
        add(file, 2)
    assert not is_broken(raised.value)
    other.execute("rollback")
    other.close()
    add(file, 3)
    assert numbers(file) == [1, 3]
