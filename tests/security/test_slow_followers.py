"""A caller that shares an answer and does not read it is held up to a bound, then cut; the others are not disturbed."""

import contextlib
import uuid
from pathlib import Path

import orjson

from addon.calls.call import LONGEST_LAG
from addon.demo.behaviour import Behaviour
from addon.demo.providers import FakeProviders
from tests.proxy.clients import CHAT, GPT, HELLO, plain
from tests.proxy.conftest import run_up, to, wait_for
from tests.proxy.gathering import Gathering
from tests.proxy.test_single_flight import CHAT_PATH, Raw
from tests.security.test_held_bodies import MIB, rss_bytes

ANSWER_BYTES = 160 * MIB


def test_followers_that_do_not_read_are_held_up_to_a_bound_and_then_cut(tmp_path: Path) -> None:
    body = orjson.dumps({"model": GPT, "messages": HELLO})
    headers = {"helicone-cache-enabled": "true", "helicone-cache-seed": str(uuid.uuid4())}
    with FakeProviders(keep_requests=False) as provider, run_up(tmp_path, *to(provider)) as proxy:
        provider.script(Behaviour(delay_s=1000, body=b"x" * ANSWER_BYTES, content_type="application/json"))
        before, most, read = rss_bytes(proxy), 0, 0
        gathering = Gathering(proxy)
        leader = Raw(proxy, headers, body)
        assert provider.wait_for(lambda: provider.hits == 1)
        followers = [Raw(proxy, headers, body) for _ in range(8)]
        gathering.wait(9)
        provider.answer_now()
        with contextlib.closing(leader.socket):
            while read < ANSWER_BYTES:
                piece = leader.socket.recv(MIB)
                assert piece, "the leader is disturbed"
                read += len(piece)
                most = max(most, rss_bytes(proxy) - before)
        assert most < 6 * LONGEST_LAG
        assert plain(proxy).post(CHAT_PATH, json=CHAT).status_code == 200
        for follower in followers:  # what it is sent now ends before the answer does
            follower.socket.settimeout(60)
            with contextlib.suppress(ConnectionResetError):
                while follower.socket.recv(MIB):
                    pass
            follower.leave()
        rows = wait_for(lambda: found if len(found := proxy.rows("cache_status = 'coalesced'")) == 8 else [])
        assert {row["error_type"] for row in rows} == {"caller_too_slow"}
