"""What a changed heliograph.toml changes of a running proxy's settings, and how that is told."""

from pathlib import Path

import pytest

from addon.config.reload import Changes, changes, taken_over
from addon.config.settings import ConfigError, Settings, load

KEY = '[keys.{name}]\nhash = "sha256:' + "0" * 64 + '"\nroles = ["{role}"]\n'
LIMIT = '[[limits]]\nname = "{name}"\nquota = {quota}\nwindow = "1h"\n'


def read(folder: Path, text: str, *upstreams: str) -> Settings:
    (folder / "heliograph.toml").write_text(text)
    return load(folder, upstreams=upstreams)


def test_rules_and_keys_that_differ_are_named(tmp_path: Path) -> None:
    before = LIMIT.format(name="a", quota=1) + LIMIT.format(name="b", quota=1) + KEY.format(name="ci", role="read")
    after = LIMIT.format(name="a", quota=2) + LIMIT.format(name="c", quota=1) + KEY.format(name="laptop", role="read")
    current, fresh = read(tmp_path, before), read(tmp_path, after)
    found = changes(current, fresh, current)
    assert found.taken == ("keys (laptop added, ci removed)", "limits (c added, a changed, b removed)")
    assert found.restart == ()
    assert str(found) == "keys (laptop added, ci removed), limits (c added, a changed, b removed)"


@pytest.mark.parametrize(
    ("text", "section"),
    [
        (
            '[[prices]]\nprovider = "vllm"\nmodel = "*"\ninput_usd_per_million = 1\noutput_usd_per_million = 1\n',
            "prices",
        ),
        ("[usage]\ninject = true\n", "usage"),
        ("[capture]\nmax_body_bytes = 5\n", "capture"),
        ('[targets]\nallow = ["https://llm.example.org"]\n', "targets"),
        ('[hosts]\nallow = ["llm.example.org"]\n', "hosts"),
        ('[browser]\nallow_origins = ["https://llm.example.org"]\n', "browser"),
        ("[limits_store]\nfail_closed = true\n", "limits_store"),
    ],
)
def test_a_section_that_can_be_used_at_once_is_taken_over(tmp_path: Path, text: str, section: str) -> None:
    current, fresh = read(tmp_path, ""), read(tmp_path, text)
    found = changes(current, fresh, current)
    assert found.taken[0].partition(" ")[0] == section
    assert found.restart == ()
    again = taken_over(current, fresh, alone=True)
    assert changes(again, fresh, current) == Changes()


@pytest.mark.parametrize(
    ("text", "section"),
    [
        ("[timeouts]\nidle_s = 5\n", "[timeouts]"),
        ("[timeouts]\nhead_s = 5\n", "[timeouts]"),
        ("[cache]\nmax_bytes = 5\n", "[cache]"),
        ("[memory]\nmax_request_bytes = 100000000\n", "[memory]"),
        ('[upstreams]\nopenai = "http://127.0.0.1:1"\n', "[upstreams]"),
        ('[[webhooks]]\nurl = "https://example.org"\nsecret = "s"\n', "[webhooks]"),
        ('[otlp]\nendpoint = "http://127.0.0.1:4318"\n', "[otlp]"),
    ],
)
def test_a_section_that_needs_a_restart_is_named_each_time(tmp_path: Path, text: str, section: str) -> None:
    current, fresh = read(tmp_path, ""), read(tmp_path, text)
    assert changes(current, fresh, current) == Changes(restart=(section,))
    again = taken_over(current, fresh, alone=True)
    assert changes(again, fresh, current).restart == (section,)
    assert str(changes(again, fresh, current)) == f"nothing has changed; needs a restart: {section}"


def test_what_the_command_line_set_is_not_a_change_of_the_file(tmp_path: Path) -> None:
    current, fresh = read(tmp_path, "", "openai=http://127.0.0.1:9"), read(tmp_path, "")
    assert changes(current, fresh, fresh) == Changes()


def test_the_last_key_stays_where_other_machines_reach_the_proxy(tmp_path: Path) -> None:
    current, fresh = read(tmp_path, KEY.format(name="ci", role="read")), read(tmp_path, "")
    with pytest.raises(ConfigError, match="no keys are left"):
        taken_over(current, fresh, alone=False)
    assert taken_over(current, fresh, alone=True).keys == ()
