"""The process that answers our endpoints, started when the first of them is asked for.

It has the database and the web framework, which the proxy must not carry, and its own journal. Its life ends with ours:
its stdin is the lifeline.
"""

import asyncio
import contextlib
import json
import logging
import os
import secrets
import sys
from pathlib import Path
from typing import Final

from addon.config.settings import Settings
from addon.hooks.endpoint_headers import TOKEN_VARIABLE

logger = logging.getLogger(__name__)

_START_S: Final = 30.0
_STOP_S: Final = 10.0
_HOME: Final = Path(__file__).resolve().parents[2]


class ApiDown(Exception):
    """The process cannot be started. The message is for a person."""


class ApiProcess:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.token = secrets.token_urlsafe(
            32
        )  # others on this machine must come through the proxy, which asks for keys
        self._process: asyncio.subprocess.Process | None = None
        self._port = 0
        self._starting = asyncio.Lock()
        self._stopped = False

    async def port(self) -> int:
        """Where it listens on 127.0.0.1, started if need be. Raises ApiDown."""
        async with self._starting:
            if self._stopped:
                raise ApiDown("heliograph is about to end")
            if self._process is None or self._process.returncode is not None:
                self._port = await self._start()
            return self._port

    async def _start(self) -> int:
        paths = (str(_HOME), os.environ.get("PYTHONPATH"))
        process = self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "analysis.api"),
            *("--data", str(self.settings.data), "--config", str(self.settings.config)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), TOKEN_VARIABLE: self.token},
            start_new_session=True,  # Ctrl-C is for us; it ends when we have
        )
        assert process.stdout
        try:
            line = await asyncio.wait_for(process.stdout.readline(), _START_S)
            return int(json.loads(line)["port"])
        except (TimeoutError, ValueError, KeyError, TypeError) as error:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            raise ApiDown("the API could not be started; heliograph's messages say why") from error

    async def stop(self) -> None:
        """Closes its journal, so that what it was told is settled with the rest."""
        self._stopped = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        if process.stdin:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), _STOP_S)
        except TimeoutError:
            logger.warning("heliograph: the API did not end in time")
            with contextlib.suppress(ProcessLookupError):
                process.kill()
