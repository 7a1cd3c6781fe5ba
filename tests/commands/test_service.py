"""`heliograph service`: the files that it writes, and what it refuses."""

import os
import plistlib
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from addon.commands.cli import main
from addon.commands.service_units import Service, unit_text


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def heliograph(home: Path, *arguments: str) -> Result:
    variables = {"HOME": str(home), "XDG_CONFIG_HOME": "", "HELIOGRAPH_DATA": str(home / "data")}
    return CliRunner(env=variables).invoke(main, ["service", *arguments])


def unit(home: Path) -> Path:
    return home / ".config" / "systemd" / "user" / "heliograph.service"


def test_install_writes_a_unit_once_and_says_how_to_start_it(home: Path) -> None:
    done = heliograph(home, "install", "--kind", "systemd")
    assert done.exit_code == 0, done.output
    assert f"{unit(home)} is written" in done.stderr
    assert "systemctl --user enable --now heliograph" in done.stdout
    text = unit(home).read_text()
    assert text == heliograph(home, "show", "--kind", "systemd").stdout
    assert f" up --listen 127.0.0.1:8787 --data {home}/data --log-json\n" in text
    assert f"{unit(home)} is unchanged" in heliograph(home, "install", "--kind", "systemd").stderr
    again = heliograph(home, "install", "--kind", "systemd", "--listen", "127.0.0.1:9000")
    assert "is written" in again.stderr
    assert "--listen 127.0.0.1:9000" in unit(home).read_text()
    assert not (home / "data").exists(), "the proxy makes it when it starts"


def test_uninstall_removes_the_unit_and_its_link_and_can_be_repeated(home: Path) -> None:
    heliograph(home, "install", "--kind", "systemd")
    link = unit(home).parent / "default.target.wants" / "heliograph.service"
    link.parent.mkdir()
    link.symlink_to(unit(home))
    done = heliograph(home, "uninstall", "--kind", "systemd")
    assert "systemctl --user stop heliograph" in done.stdout
    assert not unit(home).exists()
    assert not link.is_symlink()
    again = heliograph(home, "uninstall", "--kind", "systemd")
    assert (again.exit_code, "nothing to remove" in again.stderr) == (0, True)


@pytest.mark.parametrize("verb", ["install", "uninstall"])
def test_a_unit_of_somebody_else_is_left_alone(home: Path, verb: str) -> None:
    unit(home).parent.mkdir(parents=True)
    unit(home).write_text("[Service]\nExecStart=/bin/true\n")
    done = heliograph(home, verb, "--kind", "systemd")
    assert done.exit_code == 1
    assert "was not written by heliograph" in done.stderr
    assert unit(home).read_text() == "[Service]\nExecStart=/bin/true\n"


@pytest.mark.parametrize("name", ["plain", "with space", 'a"quote', "100%", "$HOME", "back\\slash", "it's"])
def test_systemd_accepts_the_unit_whatever_the_folder_is_called(tmp_path: Path, name: str) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd on this machine")
    data = tmp_path / name
    data.mkdir()
    file = tmp_path / "heliograph.service"
    file.write_text(unit_text(Service(["/bin/echo", "up", "--data", str(data)], data), "systemd"))
    done = subprocess.run(
        [analyze, "verify", "--user", "--man=no", "--recursive-errors=no", str(file)],
        capture_output=True,
        text=True,
        env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)},
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_words_of_a_unit_are_quoted_as_systemd_reads_them(tmp_path: Path) -> None:
    service = Service(["/bin/a b", "--data", '/x/100%/$HOME/"q"\\'], tmp_path)
    (line,) = [line for line in unit_text(service, "systemd").splitlines() if line.startswith("ExecStart=")]
    assert line == r'ExecStart="/bin/a b" --data "/x/100%%/$$HOME/\"q\"\\"'


def test_a_launchd_agent_is_a_property_list(home: Path) -> None:
    done = heliograph(home, "install", "--kind", "launchd", "--data", str(home / "a & b"))
    path = home / "Library" / "LaunchAgents" / "heliograph.plist"
    agent = plistlib.loads(path.read_bytes())
    assert agent["Label"] == "heliograph"
    assert agent["ProgramArguments"][1:] == [
        *("up", "--listen", "127.0.0.1:8787", "--data", str(home / "a & b"), "--log-json")
    ]
    assert "launchctl bootstrap" in done.stdout
    assert Path(agent["StandardErrorPath"]).parent.is_dir(), "launchd makes the log, but no folder for it"
    assert heliograph(home, "uninstall", "--kind", "launchd").exit_code == 0
    assert not path.exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("install", "--listen", "0.0.0.0:8787"), "make some with `heliograph keys add NAME`"),
        (("install", "--listen", "somewhere"), "write HOST:PORT"),
        (("install", "--config", "/no/such/file.toml"), "no such file"),
        (("install", "--kind", "upstart"), "'upstart' is not one of 'systemd', 'launchd'"),
        (("show", "--data", "a\nb"), "a path with a line break"),
        (("instal",), "No such command 'instal'"),
    ],
)
def test_wrong_usage_is_exit_2_and_writes_nothing(home: Path, arguments: tuple[str, ...], says: str) -> None:
    done = heliograph(home, *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert says in " ".join(done.stderr.split())
    assert list(home.iterdir()) == []


def test_a_mistake_in_the_settings_is_told_before_anything_is_written(home: Path) -> None:
    (home / "data").mkdir()
    (home / "data" / "heliograph.toml").write_text("[limit]\n")
    done = heliograph(home, "install", "--kind", "systemd")
    assert done.exit_code == 2
    assert "did you mean 'limits'" in done.stderr
    assert not unit(home).exists()


def test_with_keys_other_machines_may_be_let_in(home: Path) -> None:
    (home / "data").mkdir()
    (home / "data" / "heliograph.toml").write_text(f'[keys.team]\nhash = "sha256:{"0" * 64}"\nroles = ["proxy"]\n')
    text = heliograph(home, "show", "--kind", "systemd", "--listen", "[::]:8787").stdout
    words = shlex.split(next(line for line in text.splitlines() if line.startswith("ExecStart=")))
    assert words[words.index("--listen") + 1] == "[::]:8787"
