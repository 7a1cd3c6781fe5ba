"""The load of the benchmark: a client on plain sockets that costs little itself, in a process of its own.

`python -m scripts.bench_load --url http://127.0.0.1:1 --path /v1/chat/completions --calls 1000 --connections 16`
prints one JSON object: calls a second, and latencies in milliseconds.
"""

import argparse
import asyncio
import json
import time
from typing import Any
from urllib.parse import urlsplit

QUESTION = "Where is my parcel? It should have arrived on Tuesday, and nobody answers the telephone. " * 11


def request_bytes(
    host: str, path: str, stream: bool, words: int, header: str, apart_s: float = 0, plain: bool = False
) -> bytes:
    """A chat request of about 1.1 KB; the answer has about `words` words, in as many pieces if it is a stream, sent
    `apart_s` after each other or all at once. `plain`: without a word to the fake provider, which other proxies may take off."""
    fake = f"words={words};chunk-delay={apart_s}" if apart_s else f"words={words}"
    wish = "" if plain else f"x-fake: {fake}\r\n"
    body = json.dumps(
        {"model": "gpt-4o-mini", "stream": stream, "messages": [{"role": "user", "content": QUESTION}]}
    ).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer sk-bench\r\ncontent-type: application/json\r\n"
        f"user-agent: bench\r\n{wish}{header}content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def one_call(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> tuple[float, float]:
    """Seconds to the first byte of the body, and to the end."""
    began = time.perf_counter()
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if not head.startswith(b"http/1.1 200"):
        raise RuntimeError(f"unexpected answer: {head[:200]!r}")
    if b"transfer-encoding: chunked" in head:
        first = None
        while True:
            size = int(await reader.readline(), 16)
            await reader.readexactly(size + 2)
            first = first or time.perf_counter()
            if size == 0:
                break
    else:
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        first = time.perf_counter()
    return first - began, time.perf_counter() - began


async def run(
    url: str,
    path: str,
    calls: int,
    connections: int,
    stream: bool,
    words: int,
    rate: float,
    header: str,
    apart: float,
    plain: bool,
    fresh: bool,
) -> dict[str, Any]:
    """`rate`: calls a second in all, evenly; 0: as fast as the connections allow. `fresh`: a new connection for each call."""
    parts = urlsplit(url)
    request = request_bytes(parts.netloc, path, stream, words, f"{header}\r\n" if header else "", apart, plain)
    left = iter(range(calls))
    firsts: list[float] = []
    ends: list[float] = []
    began = time.perf_counter()

    async def worker() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        for number in left:
            if rate:
                await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            if fresh:
                writer.close()
                reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            first, end = await one_call(reader, writer, request)
            firsts.append(first * 1000)
            ends.append(end * 1000)
        writer.close()

    await asyncio.gather(*(worker() for _ in range(connections)))
    took = time.perf_counter() - began
    firsts.sort()
    ends.sort()
    return {
        "rate": calls / took,
        "first_p50_ms": firsts[len(firsts) // 2],
        "p50_ms": ends[len(ends) // 2],
        "p99_ms": ends[int(len(ends) * 0.99)],
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--words", type=int, default=250)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--apart", type=float, default=0, help="seconds between the pieces of a stream")
    parser.add_argument("--header", default="", help="one more, e.g. 'Helicone-Cache-Enabled: true'")
    parser.add_argument("--plain", action="store_true", help="without the header x-fake")
    parser.add_argument("--fresh", action="store_true", help="a new connection for each call")
    options = parser.parse_args()
    print(json.dumps(asyncio.run(run(**vars(options)))))


if __name__ == "__main__":
    main()
