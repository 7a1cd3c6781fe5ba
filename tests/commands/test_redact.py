"""`heliograph redact`: what would be stored of a text."""

import re
from pathlib import Path

from click.testing import CliRunner

from addon.commands.cli import main


def run(data: Path, *arguments: str, given: str = "") -> str:
    ended = CliRunner().invoke(main, ["redact", "--data", str(data), *arguments], input=given)
    assert ended.exit_code == 0, ended.output
    return ended.stdout


def test_it_shows_text_as_it_would_be_stored(tmp_path: Path) -> None:
    assert re.fullmatch(r"to <mail:[0-9a-f]{12}>, EMP-17\n", run(tmp_path, given="to ann@example.org, EMP-17\n"))
    (tmp_path / "heliograph.toml").write_text("[[redact.own]]\nname = 'employee'\npattern = 'EMP-[0-9]+'\n")
    file = tmp_path / "text"
    file.write_text('{"to": "ann\\u0040example.org", "of": "EMP-17"}')
    assert re.fullmatch(r'\{"to": "<mail:\w+>", "of": "<employee:\w+>"\}', run(tmp_path, str(file)))


def test_it_tells_the_pseudonym_of_a_user(tmp_path: Path) -> None:
    assert run(tmp_path, "--user", "ann@example.org").startswith("<mail:")
    (tmp_path / "heliograph.toml").write_text("[redact]\nusers = true\n")
    assert run(tmp_path, "--user", "ann@example.org").startswith("<user:")
