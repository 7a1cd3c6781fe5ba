"""Connections of a program, and of programs that it starts, as /proc tells of them."""

import socket
import subprocess
import sys

import pytest

from addon.commands.direct_connections import DirectConnections
from tests.waiting import wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")

CONNECT = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
    connection.recv(1)
"""


@pytest.mark.parametrize("through_a_shell", [False, True])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_connection_is_seen(host: str, through_a_shell: bool) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server:
        port = server.getsockname()[1]
        command = [sys.executable, "-c", CONNECT, host, str(port)]
        shell = ["sh", "-c", '"$@"; :', "sh"]
        seen: list[DirectConnections] = []
        with (
            subprocess.Popen([*shell, *command] if through_a_shell else command) as program,
            DirectConnections(program.pid, 1, lambda: any(each.found for each in seen)) as watched,
        ):
            seen.append(watched)
            connection, _ = server.accept()
            wait_for(lambda: watched.found)
            connection.close()
    assert watched.found == {("127.0.0.1", port)}


def test_a_connection_to_the_proxy_is_not_past_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with (
            subprocess.Popen([sys.executable, "-c", CONNECT, "127.0.0.1", str(port)]) as program,
            DirectConnections(program.pid, port, lambda: False) as watched,
        ):
            connection, _ = server.accept()
            watched._look()
            connection.close()
    assert watched.found == set()
