"""`heliograph keys` as a person types it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from addon.commands.cli import main


def keys(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["keys", *arguments, "--data", str(data)])


def test_keys_are_listed_with_their_roles_and_without_themselves(tmp_path: Path) -> None:
    made = keys(tmp_path, "add", "grafana", "--role", "read").stdout.strip()
    keys(tmp_path, "add", "laptop")
    listed = keys(tmp_path, "list")
    assert [line.split(maxsplit=1) for line in listed.stdout.splitlines()] == [
        ["grafana", "read"],
        ["laptop", "proxy, write, read"],
    ]
    assert json.loads(keys(tmp_path, "list", "--json").stdout)[0] == {"name": "grafana", "roles": ["read"]}
    assert made.startswith("sk-helicone-")
    assert made not in listed.output
    assert made not in (tmp_path / "heliograph.toml").read_text()


def test_without_keys_the_list_says_what_that_means(tmp_path: Path) -> None:
    listed = keys(tmp_path, "list")
    assert (listed.exit_code, listed.stdout) == (0, "")
    assert "has no keys: every program on this machine may call" in listed.stderr
    assert keys(tmp_path, "list", "--json").stdout == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("remove", "grafan"), "has no key 'grafan'; did you mean 'grafana'; there are grafana"),
        (("remove",), "Missing argument 'NAME'"),
        (("add", "two words"), "use letters, digits, _ and - only"),
        (("add", "ci", "--role", "reed"), "'reed' is not one of 'proxy', 'write', 'read'"),
        (("lst",), "No such command 'lst'"),
    ],
)
def test_wrong_usage_is_exit_2_and_changes_nothing(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    keys(tmp_path, "add", "grafana", "--role", "read")
    before = (tmp_path / "heliograph.toml").read_bytes()
    done = keys(tmp_path, *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert says in " ".join(done.stderr.split())
    assert (tmp_path / "heliograph.toml").read_bytes() == before


def test_removing_the_last_key_says_who_may_call_now(tmp_path: Path) -> None:
    keys(tmp_path, "add", "grafana")
    done = keys(tmp_path, "remove", "grafana")
    assert done.exit_code == 0
    assert "it was the last one: every program on this machine may call now" in done.stderr
