"""The lean master without heliograph's addons, for the benchmark: the gain of the master alone."""

import asyncio
import logging
import sys

from mitmproxy.options import Options

from addon.mitm.lean_master import LeanMaster


async def serve(mode: str, port: int) -> None:
    logging.getLogger().setLevel(logging.WARNING)
    options = Options()
    master = LeanMaster(options, [])
    options.update(mode=[mode], listen_host="127.0.0.1", listen_port=port)
    await master.run()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
