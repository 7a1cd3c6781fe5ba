"""Which proxies run on a data folder."""

import os
import subprocess
import sys
from pathlib import Path

from addon.storage.folders import Folders
from addon.storage.presence import Presence, Running, running_proxies

HOME = Path(__file__).resolve().parents[2]
OTHER = """
import sys, time
from pathlib import Path
from addon.storage.folders import Folders
from addon.storage.presence import Presence, Running
Presence(Folders(Path(sys.argv[1]))).say(Running(pid=1, listen="127.0.0.1:1", config="c", started_at=2.0, taken=("keys",)))
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_living_proxy_is_found_and_a_dead_one_is_not(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    assert list(running_proxies(folders)) == []
    command = [sys.executable, "-c", OTHER, str(tmp_path)]
    other = subprocess.Popen(command, cwd=HOME, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout
        assert other.stdout.readline() == "ready\n"
        expected = Running(pid=1, listen="127.0.0.1:1", config="c", started_at=2.0, taken=("keys",))
        assert list(running_proxies(folders)) == [expected]
    finally:
        other.kill()
        other.communicate()
    assert (folders.running / f"{other.pid}.json").exists(), "it was killed"
    assert list(running_proxies(folders)) == []
    assert list(folders.running.iterdir()) == [], "the file of a dead one is removed"


def test_its_file_is_private_and_goes_with_it(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    presence = Presence(folders)
    file = folders.running / f"{os.getpid()}.json"
    assert (file.stat().st_mode & 0o777, folders.running.stat().st_mode & 0o777) == (0o600, 0o700)
    presence.say(Running(pid=1, listen="a long address", config="", started_at=0))
    presence.say(Running(pid=1, listen="", config="", started_at=0, reads=1))
    (found,) = running_proxies(folders)
    assert found.reads == 1
    presence.close()
    assert not file.exists()


def test_odd_files_are_left_out(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    presence = Presence(folders)  # locked, and says nothing yet
    (folders.running / "notes.txt").write_text("mine")
    (folders.running / "link.json").symlink_to(tmp_path / "elsewhere")
    assert list(running_proxies(folders)) == []
    presence.close()
    assert {file.name for file in folders.running.iterdir()} == {"notes.txt", "link.json"}
