"""The process that answers our endpoints, started when the first of them is asked for.

It has the database and the web framework, which the proxy must not carry, and its own journal. Its life ends with ours:
its stdin is the lifeline.
"""

import asyncio
import json
import logging
import secrets
from typing import Final

from addon.config.settings import Settings
from addon.hooks.child_process import ChildProcess
from addon.hooks.endpoint_headers import TOKEN_VARIABLE

logger = logging.getLogger(__name__)

_START_S: Final = 60.0  # on a busy machine; a tenth of it otherwise
_STOP_S: Final = 10.0
_ENDING: Final = "heliograph is about to end"


class ApiDown(Exception):
    """The process cannot be started. The message is for a person."""


class ApiProcess:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        # Others on this machine must come through the proxy, which asks for keys.
        self.token = secrets.token_urlsafe(32)
        self._process: ChildProcess | None = None
        self._port = 0
        self._starting = asyncio.Lock()
        self._stopped = False

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self._port

    async def port(self) -> int:
        """Where it listens on 127.0.0.1, started if need be. Raises ApiDown."""
        async with self._starting:
            if self._stopped:
                raise ApiDown(_ENDING)
            if self._process is None or self._process.exit_status is not None:
                self._port = await self._start()
            return self._port

    async def _start(self) -> int:
        process = self._process = ChildProcess(
            "analysis.serving",
            *("--data", str(self.settings.data), "--config", str(self.settings.config)),
            *(["--offline"] if self.settings.is_offline else []),
            variables={TOKEN_VARIABLE: self.token},
            pipe_output=True,
        )
        try:
            return int(json.loads(await process.first_line(_START_S))["port"])
        except (TimeoutError, ValueError, KeyError, TypeError) as error:
            process.kill()
            why = "the API could not be started; heliograph's messages say why"
            raise ApiDown(_ENDING if self._stopped else why) from error
        except BaseException:  # the caller went away meanwhile: without its port the process is of no use
            process.kill()
            raise

    async def stop(self) -> None:
        """Closes its journal, so that what it was told is settled with the rest."""
        self._stopped = True
        process = self._process
        if process and self._starting.locked():
            process.kill()  # it was told nothing yet, and on a busy machine its start takes longer than its end may
        if process and process.exit_status is None and not await process.end(_STOP_S):
            logger.warning("heliograph: the API did not end in time")
            process.kill()
