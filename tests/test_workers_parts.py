"""What the parent of workers decides and counts, without processes."""

import asyncio
import os
import socket

import pytest

from addon.config.settings import ConfigError
from addon.restarts import SETTLED_S, Restarts
from addon.storage.counts import CountsBoard, board_file
from addon.storage.folders import parse_segment
from addon.storage.journal import new_family, run_of_family
from addon.workers.sockets import bound


def test_a_worker_that_served_is_followed_at_once_and_one_that_fails_at_its_start_ever_later() -> None:
    restarts = Restarts()
    assert [restarts.pause_s(0.1) for _ in range(5)] == [0.0, 0.25, 0.5, 1.0, 2.0]
    assert [restarts.pause_s(0.1) for _ in range(9)][-1] == 30.0
    assert restarts.pause_s(SETTLED_S) == 0.0
    assert restarts.pause_s(0.1) == 0.0, "the count began again"


def test_a_board_sums_all_rows_and_the_successor_of_a_worker_goes_on_in_its_row() -> None:
    file = board_file(3)
    one, other = CountsBoard(file, 3), CountsBoard(file, 3)  # as two processes map it
    one.row(0).seen += 2
    other.row(2).seen += 3
    other.row(2).under_way += 1
    assert (one.sums()["seen"], one.sums()["under_way"]) == (5, 1)
    one.row(2).end()
    other.row(2).seen += 1
    assert (one.sums()["seen"], one.sums()["under_way"]) == (6, 0)
    os.close(file)


def test_runs_of_one_family_have_names_of_runs_that_begin_alike() -> None:
    family = new_family()
    names = [run_of_family(family, number) for number in (0, 1, 2**32 - 1)]
    assert all(name.startswith(family) and parse_segment(f"{name}-000001") == (name, 1) for name in names)
    assert len(set(names)) == 3


def test_a_taken_port_is_refused_in_the_words_of_a_proxy_without_workers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError) as refused:
            asyncio.run(bound(("127.0.0.1", port)))
    assert str(refused.value) == (
        f"cannot listen on 127.0.0.1:{port}: address already in use; choose another with --listen"
    )
