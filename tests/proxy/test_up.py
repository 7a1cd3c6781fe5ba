"""What `heliograph up` prints beside serving: a line a call, JSON for a service's log, and a line at its end."""

import json
import re
import subprocess
import urllib.request
from pathlib import Path

from addon.demo.providers import FakeProviders
from tests.proxy.clients import CHAT, plain
from tests.proxy.conftest import HELIOGRAPH, environment, run_up, to, wait_for
from tests.proxy.test_keys import CHAT_PATH


def test_verbose_prints_a_line_for_each_call_and_the_end_says_what_they_cost(
    tmp_path: Path, shared_provider: FakeProviders
) -> None:
    with run_up(tmp_path, "--verbose", *to(shared_provider)) as proxy:
        first = plain(proxy).post(CHAT_PATH, json=CHAT, headers={"Helicone-User-Id": "ann"})
        wait_for(lambda: [line for line in proxy.said if first.headers["helicone-id"] in line])
        last = plain(proxy).post(CHAT_PATH, json=CHAT | {"model": "no-price-9"})
        assert proxy.stop() == 0
        wait_for(lambda: [line for line in proxy.said if "stopped" in line])
    (line,) = [line for line in proxy.said if first.headers["helicone-id"] in line]
    assert " 200 user=ann " in line
    assert [line for line in proxy.said if last.headers["helicone-id"] in line], (
        "told although it came just before the end"
    )
    cost = sum(row["cost_nanousd"] or 0 for row in proxy.rows()) / 1e9
    (end,) = [line for line in proxy.said if "stopped" in line]
    assert re.fullmatch(
        rf"heliograph: stopped after \d+ s: 2 calls \(1 without a price\), 0 errors, \${cost:.6f}, 0 unsettled", end
    )


def test_log_json_is_one_object_a_line_whichever_process_writes(tmp_path: Path, shared_provider: FakeProviders) -> None:
    command = [HELIOGRAPH, "up", "--listen", "127.0.0.1:0", "--data", str(tmp_path), "--log-json", "--verbose"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([*command, *to(shared_provider)], text=True, env=environment(), **streams)  # type: ignore[call-overload]
    url = json.loads(process.stderr.readline())["url"]
    body = json.dumps(CHAT).encode()
    headers = {"content-type": "application/json", "authorization": "Bearer sk-test"}
    request = urllib.request.Request(f"{url}{CHAT_PATH}", body, headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request_id = opener.open(request).headers["Helicone-Id"]
    (tmp_path / "heliograph.toml").write_text("[limit]\n[timeout]\n")
    said = [json.loads(process.stderr.readline())]
    process.terminate()
    calls, messages = process.communicate(timeout=90)
    (call,) = map(json.loads, calls.splitlines())
    assert (call["level"], call["message"], call["request_id"], call["status"]) == ("info", "call", request_id, 200)
    said += map(json.loads, messages.splitlines())
    (mistake,) = [line for line in said if "the settings stay as they were" in line["message"]]
    assert mistake["level"] == "warning"
    assert "'timeouts'" in mistake["message"], "all mistakes are in one record"
    assert (said[-1]["message"], said[-1]["calls"], said[-1]["unsettled"]) == ("stopped", 1, 0)
    assert all(line["time"].endswith("Z") for line in said)


def test_without_calls_the_end_says_so(tmp_path: Path) -> None:
    with run_up(tmp_path) as proxy:
        assert proxy.stop() == 0
        wait_for(lambda: [line for line in proxy.said if "0 calls, 0 unsettled" in line])
