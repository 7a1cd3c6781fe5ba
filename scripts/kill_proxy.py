"""Kills the real proxy under load and counts what is lost or doubled. Run it by `scripts/kill_loop --proxy`.

`heliograph up` serves clients on real sockets, JSON and streams, in front of a fake provider. Every now and then SIGKILL
hits the proxy, its settler, or both; the next proxy takes the same port. A client notes a call's id once it has read the
whole answer: an answered call. At the end an orderly stop, what dead proxies left is settled, and the ids are compared with the rows.
"""

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from addon.demo.providers import FakeProviders
from addon.settling.process import settle_leftovers, unsettled_segments
from addon.storage.folders import Folders
from analysis.lake import Lake
from analysis.table import fetch
from scripts.count_table import count_table
from scripts.running import free_port, wait_for_more

CLIENTS: Final = 8
START_S: Final = 120.0  # on a machine that is busy with other work
PATHS: Final[dict[str, dict[str, object]]] = {
    "/openai/v1/chat/completions": {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Where is it?"}]},
    "/anthropic/v1/messages": {
        "model": "claude-haiku-4-5",
        "max_tokens": 64,
        "messages": [{"role": "user", "content": "Where is it?"}],
    },
}
LAST_WORDS: Final = (b"data: [DONE]", b"event: message_stop")


@dataclass(slots=True)
class Outcome:
    kills: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    answered: int = 0
    broken: int = 0  # calls that a kill cut off: the client saw an error
    rows: int = 0
    interrupted: int = 0
    lost: int = 0
    doubled: int = 0
    unmeasured: int = 0  # answered calls without tokens or cost

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.doubled or self.unmeasured)

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {what}" for what, count in sorted(self.kills.items()))
        lines = {
            "kills": f"{self.kills.total()} ({kinds})",
            "seconds": f"{self.seconds:.0f}",
            "calls answered": f"{self.answered:,}",
            "calls that a kill cut off": f"{self.broken:,}",
            "rows": f"{self.rows:,}",
            "of them calls under way at a kill": f"{self.interrupted:,}",
            "answered calls lost": f"{self.lost}",
            "rows doubled": f"{self.doubled}",
            "answered calls without tokens or cost": f"{self.unmeasured}",
        }
        return count_table(lines)


class Client(threading.Thread):
    """Sends calls without a pause, and notes the complete answers."""

    def __init__(self, port: int, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.answered: list[str] = []
        self.broken = 0
        self._port, self._stopped = port, stop

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        while not self._stopped.is_set():
            request_id = str(uuid.uuid4())
            try:
                if call(connection, request_id):
                    self.answered.append(request_id)
            except (OSError, http.client.HTTPException):
                self.broken += 1
                connection.close()
                time.sleep(0.05)


def call(connection: http.client.HTTPConnection, request_id: str) -> bool:
    """Whether the answer was complete; for a stream its terminal event is enough, as for an SDK."""
    path, body = random.choice(list(PATHS.items()))
    stream = random.random() < 0.5
    headers = {"helicone-request-id": request_id, "authorization": "Bearer k", "content-type": "application/json"}
    connection.request("POST", path, json.dumps({**body, "stream": stream}), headers)
    answer = connection.getresponse()
    if not stream:
        answer.read()
        return answer.status == 200
    done = any(line.startswith(LAST_WORDS) for line in answer)
    answer.read()
    return done


def start_proxy(data: Path, port: int, provider: str) -> subprocess.Popen[bytes]:
    command = [str(Path(sys.executable).parent / "heliograph"), "up", "--data", str(data)]
    command += [
        "--listen",
        f"127.0.0.1:{port}",
        "--upstream",
        f"openai={provider}",
        "--upstream",
        f"anthropic={provider}",
    ]
    proxy = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return proxy
        except (OSError, http.client.HTTPException):
            pass
        if proxy.poll() is not None:
            break
        time.sleep(0.05)
    proxy.kill()
    raise RuntimeError(f"the proxy does not start (status {proxy.wait()})")


def settlers(proxy: subprocess.Popen[bytes]) -> list[int]:
    """Its child processes: the settler, and the one that looks up which programs call."""
    return [int(pid) for pid in Path(f"/proc/{proxy.pid}/task/{proxy.pid}/children").read_text().split()]


def kill_proxy_loop(data: Path, kills: int, pause_s: tuple[float, float]) -> Outcome:
    outcome, began, port, stop = Outcome(), time.monotonic(), free_port(), threading.Event()
    with FakeProviders(keep_requests=False) as provider:
        proxy = start_proxy(data, port, provider.url)
        clients = [Client(port, stop) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        while outcome.kills.total() < kills:
            wait_for_more(lambda: sum(len(client.answered) for client in clients))
            time.sleep(random.uniform(*pause_s))
            target = random.choice(["proxy", "settler", "both"])
            victims = [pid for pid in settlers(proxy) if target != "proxy"]
            if target != "settler":
                victims.append(proxy.pid)
            for pid in victims:
                os.kill(pid, signal.SIGKILL)
            outcome.kills[target] += 1
            if target != "settler":
                proxy.wait()
                proxy = start_proxy(data, port, provider.url)
        stop.set()
        for client in clients:
            client.join(60)
        proxy.send_signal(signal.SIGTERM)
        proxy.wait(180)
    deadline = time.monotonic() + 120
    while unsettled_segments(Folders(data)) and time.monotonic() < deadline:
        settle_leftovers(data)  # as `heliograph report` does; a killed proxy's settler may still be at work
        time.sleep(0.05)
    outcome.seconds = time.monotonic() - began
    outcome.broken = sum(client.broken for client in clients)
    count(data, {request_id for client in clients for request_id in client.answered}, outcome)
    return outcome


def count(data: Path, answered: set[str], outcome: Outcome) -> None:
    sql = "select request_id, error_type, output_tokens, cost_nanousd from requests"
    rows = list(Lake(data).ask(lambda connection: fetch(connection, sql)).records())
    ids = Counter(row["request_id"] for row in rows)
    outcome.answered, outcome.rows = len(answered), len(rows)
    outcome.lost = len(answered - ids.keys())
    outcome.doubled = sum(times - 1 for times in ids.values())
    for row in rows:
        outcome.interrupted += row["error_type"] == "heliograph_interrupted"
        unmeasured = not row["output_tokens"] or not row["cost_nanousd"]
        outcome.unmeasured += row["request_id"] in answered and unmeasured


def main(kills: int, pause_s: tuple[float, float]) -> int:
    data = Path(tempfile.mkdtemp(prefix="heliograph-kill-proxy-"))
    outcome = kill_proxy_loop(data, kills, pause_s)
    print(outcome)
    if not outcome.is_good:
        print(f"the data is in {data}", file=sys.stderr)
    return 0 if outcome.is_good else 1
