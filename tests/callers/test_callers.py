"""Which program called: names of commands and repositories, and the process behind a real connection."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from addon.callers.lookup import CallerLookup, CallerProcess
from addon.callers.process import Allowance, Descriptions, command_name
from addon.callers.repository import repository_of


@pytest.mark.parametrize(
    ("name", "words", "command"),
    [
        ("claude", ["claude", "--resume", "secret"], "claude"),
        ("python3", ["/usr/bin/python3", "/home/me/ask.py", "sk-secret"], "python3 ask.py"),
        ("python3.13", ["python3.13", "-u", "-m", "app.main", "sk-secret"], "python3.13 -m app.main"),
        ("python", ["python", "-c", "print('secret')"], "python"),
        ("python", ["python", "-"], "python"),
        ("node", ["node", "--enable-source-maps", "dist/server.mjs"], "node server.mjs"),
        ("node", ["node", "-e", "secret"], "node"),
        ("bash", ["bash"], "bash"),
        ("shotcut", ["shotcut", "film.mlt"], "shotcut"),
        ("node", [], "node"),
        ("MainThread", ["node", "/usr/bin/gemini", "-p", "secret"], "node gemini"),  # Node 24 names its main thread
        ("aider", ["/venv/bin/python", "/venv/bin/aider", "--message", "secret"], "aider"),  # by its #! line
        ("bash", ["-bash"], "bash"),
        ("gunicorn", ["gunicorn: master [secret]"], "gunicorn"),  # it wrote its title over its arguments
        ("x" * 5000, [], "x" * 200),
    ],
)
def test_a_command_is_named_without_its_arguments(name: str, words: list[str], command: str) -> None:
    assert command_name(name, words) == command


def test_a_few_looks_at_once_need_no_rest_and_many_take_a_twentieth_of_a_core() -> None:
    allowance, now, used = Allowance(0.0), 0.0, 0.0
    for _ in range(17):
        assert allowance.pause_s(now, 0.014) == 0
    for _ in range(1000):
        now += (rest := allowance.pause_s(now, 0.014)) + 0.014
        used += 0.014
        assert rest <= 0.28
    assert used / now < 0.06
    assert allowance.pause_s(now + 100, 0.014) == 0  # it has saved up again


def test_a_process_is_described_once_a_second() -> None:
    descriptions, own = Descriptions(), os.getpid()
    known = descriptions.of(own, 0.0)
    assert known and known["cwd"] == str(Path.cwd())
    assert descriptions.of(own, 0.9) is known
    assert descriptions.of(own, 1.0) is not known and descriptions.of(own, 1.0) == known
    assert [descriptions.of(2**30 + number, 1.0) for number in range(100)] == [None] * 100


def git(*words: str, cwd: Path) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *identity, *words], cwd=cwd, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / "src").mkdir(parents=True)
    git("init", cwd=folder)
    return folder


def test_a_repository_without_a_remote_has_its_folders_name(repository: Path, tmp_path: Path) -> None:
    assert repository_of(repository / "src") == repository_of(repository) == "shop"
    assert repository_of(tmp_path) is None


@pytest.mark.parametrize(
    "url",
    ["git@github.com:acme/shop-api.git", "https://github.com/acme/shop-api", "/srv/git/shop-api.git/", "host:shop-api"],
)
def test_a_repository_has_the_name_of_its_origin(repository: Path, url: str) -> None:
    git("remote", "add", "fork", "git@github.com:me/other.git", cwd=repository)
    git("remote", "add", "origin", url, cwd=repository)
    assert repository_of(repository / "src") == "shop-api"


def test_a_work_tree_belongs_to_its_repository(repository: Path, tmp_path: Path) -> None:
    git("commit", "--allow-empty", "-m", "first", cwd=repository)
    git("worktree", "add", str(tmp_path / "elsewhere"), cwd=repository)
    assert repository_of(tmp_path / "elsewhere") == "shop"
    git("remote", "add", "origin", "git@github.com:acme/shop-api.git", cwd=repository)
    assert repository_of(tmp_path / "elsewhere") == "shop-api"


def test_a_submodule_is_a_repository_of_its_own(repository: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    git("init", cwd=library)
    git("commit", "--allow-empty", "-m", "first", cwd=library)
    git("-c", "protocol.file.allow=always", "submodule", "add", str(library), "vendor/used", cwd=repository)
    assert repository_of(repository / "vendor" / "used") == "library"


def test_odd_files_in_place_of_a_repository_hold_nobody_up(tmp_path: Path) -> None:
    for name in ("pipe", "binary", "folder"):
        (tmp_path / name).mkdir()
    os.mkfifo(tmp_path / "pipe" / ".git")
    (tmp_path / "binary" / ".git").write_bytes(b"\xff\x00" * 50_000)
    (tmp_path / "folder" / ".git").mkdir()
    os.mkfifo(tmp_path / "folder" / ".git" / "config")
    assert [repository_of(tmp_path / name) for name in ("pipe", "binary", "folder")] == [None, None, "folder"]


def test_the_process_behind_a_connection_is_found(repository: Path) -> None:
    async def ask() -> list[CallerProcess | None]:
        program = "import socket, sys\nhere = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\nhere.recv(1)\n"
        (repository / "ask.py").write_text(program)
        lookup = CallerLookup()
        with socket.create_server(("127.0.0.1", 0)) as server:
            own = server.getsockname()
            caller = await asyncio.create_subprocess_exec(sys.executable, "ask.py", str(own[1]), cwd=repository)
            connection, address = await asyncio.to_thread(server.accept)
            with connection:
                answers = [lookup.ask(address, own), lookup.ask((address[0], own[1]), own)]
                found = [await answer for answer in answers if answer]
            await caller.wait()
        await lookup.stop()
        return found

    found, unknown = asyncio.run(ask())
    assert found is not None and found.command is not None
    assert found.command.startswith("python") and found.command.endswith(" ask.py")
    assert (found.cwd, found.repository) == (str(repository), "shop")
    assert unknown is None


def test_the_connections_of_two_programs_that_are_asked_about_at_once_are_told_apart(tmp_path: Path) -> None:
    program = """
import socket, sys
made = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(3)]
for each in made:
    each.sendall(sys.argv[0][:1].encode())
for each in made:
    each.recv(1)
"""

    async def ask() -> list[tuple[str, CallerProcess | None]]:
        lookup, waiting, programs = CallerLookup(), [], []
        with socket.create_server(("127.0.0.1", 0)) as server, contextlib.ExitStack() as open_here:
            own = server.getsockname()
            for name in ("a.py", "b.py"):
                (tmp_path / name).write_text(program)
                programs.append(await asyncio.create_subprocess_exec(sys.executable, name, str(own[1]), cwd=tmp_path))
            for _ in range(6):
                connection, address = await asyncio.to_thread(server.accept)
                open_here.enter_context(connection)
                waiting.append((await asyncio.to_thread(connection.recv, 1), address))
            answers = [(name.decode(), lookup.ask(address, own)) for name, address in waiting]
            found = [(name, await answer) for name, answer in answers if answer]
        for ended in programs:
            await ended.wait()
        await lookup.stop()
        return found

    found = asyncio.run(ask())
    assert sorted(name for name, _ in found) == [*"aaabbb"]
    for name, process in found:
        assert process and process.command and process.command.endswith(f" {name}.py")


def test_what_waits_when_the_proxy_ends_is_unknown() -> None:
    async def ask() -> CallerProcess | None:
        lookup = CallerLookup()
        answer = lookup.ask(("127.0.0.1", 1), ("127.0.0.1", 2))
        await lookup.stop()
        assert lookup.ask(("127.0.0.1", 1), ("127.0.0.1", 2)) is None
        assert answer
        return await answer

    assert asyncio.run(ask()) is None
