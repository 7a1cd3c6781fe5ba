"""The commands, as a person types them."""

import json
import shutil
import signal
import socket
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from addon.commands.cli import main
from addon.demo.behaviour import Behaviour
from addon.demo.providers import FakeProviders
from tests.proxy.clients import plain
from tests.proxy.conftest import HELIOGRAPH, environment, run_up, to

SDK_CALL = """
from openai import OpenAI
answer = OpenAI(api_key="sk-test").chat.completions.create(
    model="gpt-4o-mini", messages=[{"role": "user", "content": "Where is my parcel?"}]
)
print(answer.choices[0].message.content)
"""


def heliograph(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [HELIOGRAPH, *arguments], capture_output=True, text=True, timeout=90, env=environment(**variables)
    )


@pytest.fixture
def upstream(provider: FakeProviders) -> list[str]:
    return to(provider)


def test_run_measures_an_unchanged_program_and_prints_what_it_cost(tmp_path: Path, upstream: list[str]) -> None:
    ended = heliograph("run", "--data", str(tmp_path), *upstream, "--", sys.executable, "-c", SDK_CALL)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("You said")
    assert "1 call" in ended.stderr
    assert "$0.0000" in ended.stderr
    assert "gpt-4o-mini" in ended.stderr


def test_run_exits_with_the_programs_status(tmp_path: Path) -> None:
    # With a home of its own, in which no authority is made.
    command = ["run", "--data", str(tmp_path / "data"), "--", sys.executable, "-c", "import sys; sys.exit(7)"]
    ended = heliograph(*command, HOME=str(tmp_path))
    assert ended.returncode == 7
    assert not (tmp_path / ".mitmproxy").exists()
    assert "no call came through. The program ended with status 7 before a request" in ended.stderr


def test_run_says_so_when_there_is_no_such_command(tmp_path: Path) -> None:
    ended = heliograph("run", "--data", str(tmp_path), "--", "no-such-command-anywhere")
    assert ended.returncode == 127
    assert "no such command" in ended.stderr
    assert "no call came through" not in ended.stderr


def test_run_takes_a_misspelled_option_for_no_command_and_leaves_the_commands_own_alone(tmp_path: Path) -> None:
    misspelled = heliograph("run", "--data", str(tmp_path), "--upstreem", "a=b", "--", sys.executable, "-c", "")
    assert misspelled.returncode == 2
    assert "No such option '--upstreem'" in misspelled.stderr
    without_dashes = heliograph("run", "--data", str(tmp_path), sys.executable, "-c", "print('--data')", "--project")
    assert without_dashes.stdout == "--data\n"


def test_run_names_a_program_that_does_not_trust_the_proxy(tmp_path: Path, upstream: list[str]) -> None:
    distrust = """
import os, ssl, httpx
try:
    httpx.post("https://api.openai.com/v1/chat/completions", verify=ssl.create_default_context(cafile=os.environ["OTHER"]), timeout=60)
except httpx.ConnectError:
    pass
"""
    import certifi

    command = ["run", "--data", str(tmp_path), *upstream, "--", sys.executable, "-c", distrust]
    ended = heliograph(*command, OTHER=certifi.where())
    assert "api.openai.com" in ended.stderr
    assert "did not trust its certificate for api.openai.com" in ended.stderr


def test_run_names_what_failed_and_where_to_look(tmp_path: Path, provider: FakeProviders, upstream: list[str]) -> None:
    provider.script(
        Behaviour(body=b'{"error": {"type": "invalid_request_error", "code": "model_not_found"}}', status=400)
    )
    provider.script(Behaviour(status=429, body=b"busy"))
    calls = """
import os, urllib.request, urllib.error
for _ in range(3):
    request = urllib.request.Request("https://api.openai.com/v1/chat/completions", b'{"model": "gpt-4o", "messages": []}')
    try:
        urllib.request.urlopen(request)
    except urllib.error.HTTPError as error:
        print(error.status)
        error.read()
"""
    ended = heliograph("run", "--data", str(tmp_path / "my data"), *upstream, "--", sys.executable, "-c", calls)
    assert ended.stdout.split() == ["400", "429"], ended
    assert "3 calls, 2 errors" in ended.stderr
    assert "2 errors: 1 x 400 model_not_found, 1 x 429\n" in ended.stderr
    assert f"data in {tmp_path}/my data; more: heliograph report --since 1h --data '{tmp_path}/my data'" in ended.stderr


IGNORES_THE_PROXY = """
import http.client, json, os
from urllib.parse import urlsplit
base = urlsplit(os.environ["OPENAI_BASE_URL"])
print(os.environ["HELIOGRAPH_URL"])
connection = http.client.HTTPConnection(base.hostname, base.port)
connection.request("POST", base.path + "/chat/completions", json.dumps({"model": "gpt-4o-mini", "messages": [], "stream": True}))
print(connection.getresponse().read().decode())
"""


def test_a_server_on_this_machine_is_named_and_then_measured_by_its_base_url(
    tmp_path: Path, provider: FakeProviders
) -> None:
    command = ["--data", str(tmp_path), "--", sys.executable, "-c", IGNORES_THE_PROXY]
    server = {"OPENAI_BASE_URL": f"{provider.url}/v1"}
    provider.script(Behaviour(delay_s=3))  # a model thinks for longer
    past_us = heliograph("run", *command, **server)
    assert f"127.0.0.1:{provider.port} (local-{provider.port}), which NO_PROXY keeps" in past_us.stderr
    assert "heliograph run --base-url" in past_us.stderr
    measured = heliograph("run", "--base-url", "--usage", "--project", "shop", *command, **server)
    assert "1 call, 0 errors" in measured.stderr
    assert measured.stdout.startswith("http://127.0.0.1:")
    asked = heliograph(
        "sql", "--data", str(tmp_path), "--json", "select provider_name, usage_source, properties from requests"
    )
    assert json.loads(asked.stdout) == [
        {"provider_name": f"local-{provider.port}", "usage_source": "provider", "properties": {"project": "shop"}}
    ]


def test_a_host_that_is_not_a_provider_is_named(tmp_path: Path) -> None:
    command = ["curl", "-s", "-m", "5", "https://llm.invalid/v1/models"]
    ended = heliograph("run", "--data", str(tmp_path), "--", *command)
    assert "called llm.invalid, which is not a provider that heliograph knows" in ended.stderr


def test_env_sets_everything_and_unset_gives_back_what_was_there(tmp_path: Path) -> None:
    mine = tmp_path / "company-ca.pem"
    mine.write_text("-----BEGIN CERTIFICATE-----\nCOMPANY\n-----END CERTIFICATE-----\n")
    data = tmp_path / "it's data"
    script = f"""
set -e
eval "$('{HELIOGRAPH}' env --data "{data}" --listen 127.0.0.1:1 --project shop)"
env
echo -----
eval "$('{HELIOGRAPH}' env --data "{data}" --listen 127.0.0.1:1 --unset)"
env
"""
    before = {"NO_PROXY": "intranet.example", "SSL_CERT_FILE": str(mine)}
    ended = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, timeout=60, env=environment(**before), check=True
    )
    during, after = (
        (
            dict(line.split("=", 1) for line in part.splitlines() if "=" in line)
            for part in ended.stdout.split("-----\n", 1)
        )
        if ended.stdout.count("-----\n") == 1
        else ({}, {})
    )
    bundle = data / "heliograph-ca-bundle.pem"
    proxy = "http://shop:x@127.0.0.1:1"
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        assert during[name] == proxy
        assert name not in after
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"):
        assert during[name] == str(bundle)
    assert during["NO_PROXY"] == during["no_proxy"] == "localhost,127.0.0.1,::1,intranet.example"
    assert during["NODE_USE_ENV_PROXY"] == "1"
    assert (after["NO_PROXY"], after["SSL_CERT_FILE"]) == ("intranet.example", str(mine))
    assert "COMPANY" in bundle.read_text()
    assert bundle.read_text().count("BEGIN CERTIFICATE") > 50
    assert bundle.stat().st_mode & 0o777 == 0o600
    assert "nothing listens on 127.0.0.1:1" in ended.stderr


def refused_up(data: Path, *arguments: str) -> Result:
    """`heliograph up` in this process, for what it refuses before it starts. Were it to start, it would end: its port is taken."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        return CliRunner().invoke(main, ["up", "--data", str(data), "--listen", listen, *arguments])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--upstream", "openai"], "NAME=URL"),
        (["--upstream", "openai=ftp://x"], "http(s) URL"),
        (["--upstream", "openai=http://x/v1"], "has a path"),
        (["--upstream", "openai=http://x?key=1"], "leave '?key=1' out"),
        (["--upstream", "Gate/way=http://x"], "--upstream Gate/way: no provider is called 'Gate/way'"),
        (["--config", "/no/such/file.toml"], "no such file"),
        (["--no-such-option"], "No such option"),
    ],
)
def test_wrong_usage_is_told_and_exits_2(tmp_path: Path, arguments: list[str], says: str) -> None:
    ended = refused_up(tmp_path, *arguments)
    assert ended.exit_code == 2
    assert says in ended.stderr


@pytest.mark.parametrize(("listen", "says"), [("127.0.0.1:http", "HOST:PORT"), ("0.0.0.0:0", "--open")])
def test_an_address_that_cannot_be_listened_on_is_wrong_usage(tmp_path: Path, listen: str, says: str) -> None:
    # A process, as `up` starts itself anew, without assertions.
    ended = heliograph("up", "--data", str(tmp_path), "--listen", listen)
    assert ended.returncode == 2
    assert says in ended.stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[timeouts]\nfirst_byte_s = 'soon'", "timeouts.first_byte_s: 'soon' is not a time"),
        ("[timeouts]\nfirst_bite_s = 3", "timeouts.first_bite_s: no such key; did you mean 'first_byte_s'"),
        ("[upstreams]\nopenai = 9", "upstreams.openai: 9 is not an http(s) URL"),
        ("[capture]\nmax_body_bytes = -1", "capture.max_body_bytes: -1 is not a count"),
        ("[[prices]]\nprovider = 'openai'\nmodel = 'x'\ninput_usd_per_million = 'cheap'", "input_usd_per_million"),
        ("colour = 'blue'", "colour: no such key; allowed are"),
        ("= what", "not TOML"),
    ],
)
def test_a_wrong_config_value_names_file_key_value_and_what_is_allowed(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "heliograph.toml").write_text(text)
    ended = refused_up(tmp_path)
    assert ended.exit_code == 2
    assert str(tmp_path / "heliograph.toml") in ended.stderr
    assert says in ended.stderr


def test_a_wrong_config_value_ends_the_process_with_2(tmp_path: Path) -> None:
    """`up` starts itself anew, without assertions."""
    (tmp_path / "heliograph.toml").write_text("colour = 'blue'")
    ended = heliograph("up", "--data", str(tmp_path), "--listen", "127.0.0.1:0")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"{tmp_path / 'heliograph.toml'}: colour: no such key" in ended.stderr


def test_a_price_of_ones_own_is_used_and_named_and_the_project_is_a_property(
    tmp_path: Path, upstream: list[str]
) -> None:
    (tmp_path / "heliograph.toml").write_text(
        "[[prices]]\nname = 'contract'\nprovider = 'openai'\nmodel = 'gpt-4o-mini*'\n"
        "input_usd_per_million = 1000\noutput_usd_per_million = 0\n"
    )
    command = ["run", "--data", str(tmp_path), "--project", "shop", *upstream, "--", sys.executable, "-c", SDK_CALL]
    assert heliograph(*command).returncode == 0
    question = "select input_tokens, cost_nanousd, cost_source, properties from requests"
    asked = heliograph("sql", "--data", str(tmp_path), "--json", question)
    (row,) = json.loads(asked.stdout)
    assert row["properties"] == {"project": "shop"}
    assert row["cost_nanousd"] == row["input_tokens"] * 1_000_000
    assert row["cost_source"] == "override contract"


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    ended = heliograph("up", "--data", str(tmp_path / "file" / "data"), "--listen", "127.0.0.1:0")
    assert ended.returncode in (1, 2)
    assert str(tmp_path / "file") in ended.stderr
    assert "Traceback" not in ended.stderr


def test_everything_is_in_parquet_after_an_orderly_end(shared_provider: FakeProviders, tmp_path: Path) -> None:
    with run_up(tmp_path, *to(shared_provider)) as proxy:
        for _ in range(3):
            plain(proxy).post(
                "/openai/v1/chat/completions",
                json={"model": "gpt-4o-mini", "messages": []},
                headers={"authorization": "Bearer k"},
            )
        assert proxy.stop() == 0
        assert len(proxy.rows()) == 3
    assert list(tmp_path.glob("lake/requests/date=*/*.parquet"))
    assert list(tmp_path.glob("lake/bodies/date=*/*.parquet"))
    assert not list(tmp_path.glob("journal/*.jsonl"))


def test_a_second_interrupt_while_a_call_is_under_way_loses_nothing(
    shared_provider: FakeProviders, tmp_path: Path
) -> None:
    """SIGTERM lets what runs come to its end."""
    import threading

    with run_up(tmp_path, *to(shared_provider)) as proxy:
        answers: list[int] = []

        def slow() -> None:
            headers = {"authorization": "Bearer k", "x-fake": "delay=1.5"}
            answer = plain(proxy).post(
                "/openai/v1/chat/completions", json={"model": "gpt-4o-mini", "messages": []}, headers=headers
            )
            answers.append(answer.status_code)

        caller = threading.Thread(target=slow)
        shared_provider.requests.clear()
        caller.start()
        shared_provider.wait_for(lambda: len(shared_provider.requests) == 1)
        proxy.process.send_signal(signal.SIGTERM)
        caller.join(20)
        assert proxy.process.wait(60) == 0
        assert answers == [200]
        assert [row["status"] for row in proxy.rows()] == [200]


def test_a_port_that_is_taken_is_told_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        where = f"127.0.0.1:{other.getsockname()[1]}"
        ended = heliograph("up", "--data", str(tmp_path), "--listen", where)
    assert ended.returncode == 1
    # The whole of it: no traceback.
    assert ended.stderr == f"Error: cannot listen on {where}: address already in use; choose another with --listen\n"


@pytest.mark.parametrize("command", [["up", "--listen", "127.0.0.1:0"], ["run", "--", "true"], ["env"]])
def test_a_data_folder_that_cannot_be_used_is_told_in_one_line(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "ca").touch()  # where a folder belongs
    verb, *others = command
    ended = heliograph(verb, "--data", str(tmp_path), *others)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith(f"Error: {tmp_path}")
    assert "--data" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", [["up", "--listen", "127.0.0.1:0"], ["run", "--", "true"]])
def test_an_unsafe_file_in_the_data_folder_is_told_in_one_line(tmp_path: Path, command: list[str]) -> None:
    link = tmp_path / "cache.sqlite"
    link.symlink_to(tmp_path / "elsewhere")
    verb, *others = command
    ended = heliograph(verb, "--data", str(tmp_path), *others)
    says = f"Error: {link}: not a regular file; move it away, or use another folder: --data DIR\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", says)


def test_doctor_looks_at_everything_and_ends_well(tmp_path: Path, upstream: list[str]) -> None:
    with run_up(tmp_path, *upstream) as proxy:
        port = proxy.url.rpartition(":")[2]
        ended = heliograph("doctor", "--data", str(tmp_path), "--listen", f"127.0.0.1:{port}")
    assert ended.returncode == 0, ended.stdout
    for subject in ("Python", "mitmproxy", "data", "disk", "certificate authority", "proxy"):
        assert f"{subject}:" in ended.stdout
    assert "journal:" not in ended.stdout  # the running proxy's own segment waits for nobody


def test_doctor_names_what_is_wrong_and_exits_1(tmp_path: Path) -> None:
    (tmp_path / "heliograph.toml").write_text("colour = 'blue'")
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.listen()
        port = other.getsockname()[1]
        ended = heliograph("doctor", "--data", str(tmp_path), "--listen", f"127.0.0.1:{port}")
    assert ended.returncode == 1
    assert "WRONG  settings" in ended.stdout
    assert "taken by another program" in ended.stdout
    elsewhere = heliograph("doctor", "--data", str(tmp_path), "--listen", "192.0.2.1:8787")  # TEST-NET: nobody's
    assert "192.0.2.1:8787:" in elsewhere.stdout


def test_doctor_tries_the_programs_of_a_shell_behind_the_proxy(tmp_path: Path, upstream: list[str]) -> None:
    with run_up(tmp_path / "data", *upstream) as proxy:
        address = proxy.url.removeprefix("http://")
        script = f"""eval "$('{HELIOGRAPH}' env --data "$DATA" --listen {address})"
'{HELIOGRAPH}' doctor --data "$DATA" --listen {address}
echo -----
SSL_CERT_FILE={tmp_path}/none.pem CURL_CA_BUNDLE= '{HELIOGRAPH}' doctor --data "$DATA" --listen {address}"""
        ended = subprocess.run(
            ["sh", "-c", script], capture_output=True, text=True, timeout=60, env=environment(DATA=str(proxy.data))
        )
    good, _, bad = ended.stdout.partition("-----")
    assert f"this shell: HTTPS_PROXY is the heliograph on {address}" in good, ended
    for name in filter(shutil.which, ("python3", "curl")):
        assert f"   ok  {name}: " in good
    assert "WRONG  python3: " in bad
    assert "does not trust the proxy's certificates" in bad
    assert "WRONG" not in good


def test_the_demo_needs_nothing_and_prints_what_its_calls_cost(tmp_path: Path) -> None:
    # With a home of its own, in which no authority is made.
    ended = heliograph("demo", "--calls", "40", TMPDIR=str(tmp_path), HOME=str(tmp_path))
    assert ended.returncode == 0, ended.stderr
    assert not (tmp_path / ".mitmproxy").exists()
    assert "gpt-4o" in ended.stdout
    assert "claude" in ended.stdout
    assert "40 calls" in ended.stdout + ended.stderr
    assert "their times are made up" in ended.stderr


def test_the_demos_calls_lie_where_it_is_told_and_its_hints_work(tmp_path: Path) -> None:
    data = tmp_path / "demo's data"
    ended = heliograph("demo", "--calls", "5", "--data", str(data), PATH="/usr/bin:/bin")
    assert ended.returncode == 0, ended.stderr
    hints = [line for line in ended.stderr.splitlines() if "--data" in line]
    dashboard, *reports = hints
    assert "heliograph dashboard --data" in dashboard
    assert len(reports) == 2
    by_day, sessions = (
        subprocess.run(["sh", "-c", f"{hint} --json"], capture_output=True, timeout=60, check=True) for hint in reports
    )
    days = [date.fromisoformat(row["day"]) for row in json.loads(by_day.stdout)]
    assert len(days) > 1
    assert 28 <= (datetime.now(UTC).date() - min(days)).days <= 30  # midnight may have passed
    assert sessions.returncode == 0


@pytest.mark.parametrize("command", ["up", "run", "env", "demo", "report", "sql", "tail", "feedback", "doctor"])
def test_every_commands_help_shows_an_example(command: str) -> None:
    ended = CliRunner().invoke(main, [command, "--help"], prog_name="heliograph")
    assert ended.exit_code == 0
    assert f"heliograph {command}" in ended.stdout.replace("Usage: heliograph", "")
