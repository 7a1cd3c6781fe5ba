"""heliograph.toml and the command line: what they mean, and how each mistake is told."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from addon.config.models import File
from addon.config.read import read_table
from addon.config.settings import ConfigError, Settings, load, load_what_can_be_read, parse_listen, secret
from addon.config.upstreams import Origin
from addon.sending.timeouts import Timeouts
from tests.config.sections import FILE


def loaded(tmp_path: Path, text: str, **more: Any) -> Settings:
    (tmp_path / "heliograph.toml").write_text(text, encoding="utf-8")
    return load(tmp_path, **more)


def mistakes(tmp_path: Path, text: str, **more: Any) -> list[str]:
    """The lines about a file, each without the file's name, which it begins with."""
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text, **more)
    file = f"{tmp_path / 'heliograph.toml'}: "
    lines = str(caught.value).splitlines()
    assert all(line.startswith(file) for line in lines)
    return [line.removeprefix(file) for line in lines]


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    assert load(tmp_path) == Settings(data=tmp_path, config=tmp_path / "heliograph.toml")


def test_every_section_is_read(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        """
[upstreams]
oai = "https://gateway.example.org:8443"
[timeouts]
connect_s = 1
idle_s = 0.5
[browser]
allow_origins = ["https://App.example.org"]
[hosts]
allow = ["llm.example.org"]
[targets]
allow = ["https://llm.example.org"]
[capture]
max_body_bytes = 5
[cache]
max_bytes = 6
[limits_store]
fail_closed = true
[usage]
inject = true
[[prices]]
provider = "vllm"
model = "m"
input_usd_per_million = 0.1
from = 2026-11-01
[[webhooks]]
url = "https://example.org/hook"
secret = "$HOOK"
sample_rate = 12.5
properties = { Feature = "chat" }
[[fallbacks]]
model = "gpt-4o"
body = { model = "m", temperature = 0.1 }
""",
    )
    assert found.upstreams == {"openai": Origin("https", "gateway.example.org", 8443)}
    assert found.timeouts == Timeouts(connect_s=1, idle_s=0.5)
    assert found.page_origins == {"https://app.example.org"}
    assert found.hosts == {"llm.example.org"}
    assert found.targets == {Origin("https", "llm.example.org", 443)}
    assert (found.max_body_bytes, found.cache_bytes, found.limits_fail_closed, found.inject_usage) == (5, 6, True, True)
    assert found.prices[0].input_usd_per_million == Decimal("0.1")
    assert found.prices[0].name == "vllm/m"
    assert (found.webhooks[0].sample_rate, found.webhooks[0].properties) == (12.5, {"feature": "chat"})
    assert found.fallbacks[0].fallback.body == {"model": '"m"', "temperature": "0.1"}


@pytest.mark.parametrize("written", ["0.1", "0.30000000000000004", "1e-7", "123456789.123456789012345678", "0.10"])
def test_a_decimal_is_exactly_what_is_written(tmp_path: Path, written: str) -> None:
    price = f'[[prices]]\nprovider = "vllm"\nmodel = "*"\ninput_usd_per_million = {written}\n'
    budget = f'[[budgets]]\nname = "a"\nperiod = "day"\nusd = {written}\n'
    found = loaded(tmp_path, price + budget)
    assert found.prices[0].input_usd_per_million == found.budgets[0].usd == Decimal(written)


def test_all_mistakes_are_told_at_once_one_line_each(tmp_path: Path) -> None:
    told = mistakes(
        tmp_path,
        """
[timeout]
idle_s = 1
[timeouts]
idle = 1
total_s = 0
[upstreams]
opnai = "https://a.example"
groq = "a.example"
[[prices]]
provider = "antropic"
model = "*"
[[budgets]]
name = "a"
usd = 1
period = "mnth"
[[limits]]
name = "a"
quota = 1
window = "1h"
units = "cents"
""",
    )
    assert told == [
        f"upstreams.opnai: no provider is called 'opnai'; did you mean 'openai'{told[0].partition(chr(39) + 'openai' + chr(39))[2]}",
        "upstreams.groq: 'a.example' is not an http(s) URL; write e.g. http://127.0.0.1:8000",
        "timeouts.total_s: 0 is not a time; write seconds above 0, e.g. 30",
        "timeouts.idle: no such key; did you mean 'idle_s'; allowed are connect_s, first_byte_s, idle_s, total_s, head_s",
        f"prices[0].provider: no provider is called 'antropic'; did you mean 'anthropic'{told[4].partition(chr(39) + 'anthropic' + chr(39))[2]}",
        "prices[0].input_usd_per_million: missing; needed are provider, model, input_usd_per_million",
        "limits[0].units: no such key; did you mean 'unit'; allowed are name, quota, window, window_s, unit, per, match",
        "budgets[0].period: 'mnth' is not a period; did you mean 'month'; allowed are day, month",
        "timeout: no such key; did you mean 'timeouts'; allowed are " + ", ".join(File.model_fields),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("keys = 5", "keys: this value is not a table; write a section [keys]"),
        ('[keys]\nci = "sk-secret"', "keys.ci: this value is not a table"),
        ('[keys.ci]\nhash = "sk-secret"\nroles = ["read"]', "keys.ci.hash: "),
        ('[webhooks]\nurl = "https://x"\nsecret = "sk-secret"', "webhooks: a table is not a list of tables"),
        ('[[webhooks]]\nurl = "https://x"\nsecret = ["sk-secret"]', "webhooks[0].secret: "),
        (
            '[[fallbacks]]\nmodel = "*"\nbody = {}\nheaders = { A = ["sk-secret"] }',
            "fallbacks[0].headers.A: the value is not a text of one line",
        ),
        (
            '[[fallbacks]]\nmodel = "*"\nbody = {}\nheaders = { A = "sk-secret$" }',
            "fallbacks[0].headers.A: a lone $; write $NAME for a variable, $$ for the sign",
        ),
    ],
)
def test_no_secret_is_in_a_message(tmp_path: Path, text: str, told: str) -> None:
    (line,) = mistakes(tmp_path, text)
    assert line.startswith(told)
    if "webhooks[0]" not in told and "hash" not in told:
        assert "sk-secret" not in line


VARIABLES = """
[[webhooks]]
url = "https://x.example"
secret = "$HOOK"
[[fallbacks]]
model = "*"
target_url = "https://a.example"
headers = { Authorization = "Bearer $GROQ_KEY", X = "$$5" }
"""


def test_a_variable_that_is_not_set_is_named_with_its_key(tmp_path: Path) -> None:
    assert mistakes(tmp_path, VARIABLES, environ={}) == [
        "webhooks[0].secret: $HOOK is not set; export it before heliograph starts",
        "fallbacks[0].headers.Authorization: $GROQ_KEY is not set; export it before heliograph starts",
    ]
    assert loaded(tmp_path, VARIABLES, environ={"HOOK": "s", "GROQ_KEY": "k"}).webhooks[0].secret == "$HOOK"
    assert loaded(tmp_path, VARIABLES).fallbacks  # a reader needs no variables


def test_sections_without_a_mistake_can_be_used(tmp_path: Path) -> None:
    (tmp_path / "heliograph.toml").write_text("[cache]\nmax_bytes = 7\n[timeouts]\nidle_s = 0\n")
    found, problems = load_what_can_be_read(tmp_path, upstreams=["nobody"])
    assert (found.cache_bytes, found.timeouts) == (7, Timeouts())
    assert [problem.section for problem in problems] == ["timeouts", "--upstream"]


@pytest.mark.parametrize(
    ("text", "told"), [("a = ", "not TOML: "), ("\xff", "not TOML: "), ("timeouts = 3", "timeouts: 3 is not a table")]
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "heliograph.toml").write_bytes(text.encode("latin-1"))
    found, (problem,) = load_what_can_be_read(tmp_path)
    assert f"heliograph.toml: {told}" in problem.text
    assert found.timeouts == Timeouts()


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("openai", "--upstream 'openai': write NAME=URL"),
        ("opnai=http://a", "--upstream opnai: no provider is called 'opnai'; did you mean 'openai'"),
        ("openai=a", "--upstream openai: 'a' is not an http(s) URL"),
        ("openai=http://a/v1", "--upstream openai: 'http://a/v1' has a path"),
        ("openai=http://a:99999", "--upstream openai: 'http://a:99999': "),
    ],
)
def test_an_upstream_of_the_command_line_is_checked_like_those_of_the_file(
    tmp_path: Path, option: str, told: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, upstreams=[option])
    assert str(caught.value).startswith(told)


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    text = '[upstreams]\nopenai = "http://file"\n[timeouts]\nfirst_byte_s = 5\ntotal_s = 6\n'
    found = loaded(tmp_path, text, upstreams=["openai=http://line"], upstream_timeout_s=1)
    assert found.upstreams["openai"].host == "line"
    assert (found.timeouts.first_byte_s, found.timeouts.total_s) == (1, 6)


def test_a_proxy_of_this_shell_becomes_our_way_out(tmp_path: Path) -> None:
    found = load(tmp_path, environ={"HTTPS_PROXY": "http://us%40er:pw@proxy.example:3128"})
    assert found.upstream_proxy == Origin("http", "proxy.example", 3128)
    assert found.upstream_proxy_auth == "us@er:pw"
    ourselves = {
        "HTTPS_PROXY": "http://127.0.0.1:8787",
        "NODE_EXTRA_CA_CERTS": str(tmp_path / "heliograph-ca-bundle.pem"),
    }
    assert load(tmp_path, environ=ourselves).upstream_proxy is None


@pytest.mark.parametrize(
    ("value", "address"), [("8787", ("127.0.0.1", 8787)), ("[::1]:0", ("::1", 0)), ("a.b:1", ("a.b", 1))]
)
def test_a_listen_address_is_read(value: str, address: tuple[str, int]) -> None:
    assert parse_listen(value) == address


@pytest.mark.parametrize("value", ["", "localhost", "a:b", "a:65536", "a:-1"])
def test_a_wrong_listen_address_is_named(value: str) -> None:
    with pytest.raises(ConfigError, match="write HOST:PORT"):
        parse_listen(value)


def test_the_secret_is_made_once_for_this_user_alone(tmp_path: Path) -> None:
    made = secret(tmp_path / "new")
    assert len(made) == 32
    assert secret(tmp_path / "new") == made
    assert (tmp_path / "new" / "secret").stat().st_mode & 0o777 == 0o600


def models(model: type[BaseModel]) -> set[type[BaseModel]]:
    """The model and all models in it."""
    from addon.config.read import model_in

    inner = {model_in(field.annotation) for field in model.model_fields.values()}
    return {model}.union(*(models(found) for found in inner if found))


@pytest.mark.parametrize("model", sorted(models(File), key=repr))
def test_every_field_has_a_description(model: type[BaseModel]) -> None:
    assert all(field.description for field in model.model_fields.values())
    assert model.__doc__


leaves = st.none() | st.booleans() | st.integers() | st.decimals() | st.text(max_size=8) | st.dates()
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner), max_leaves=8
)
words = st.sampled_from(["name", "url", "secret", "model", "quota", "window", "provider", "roles", "hash", "headers"])


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(File.model_fields)), values | st.lists(st.dictionaries(words, values))))
def test_any_table_gives_settings_or_lines_that_name_the_file(table: dict[str, Any]) -> None:
    fields, problems = read_table(FILE, table, {})
    assert set(fields) >= {"prices", "keys"}
    for problem in problems:
        assert problem.section in table
        assert problem.text.startswith(f"heliograph.toml: {problem.section}")
