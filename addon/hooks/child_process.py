"""A Python process that we start and that ends when we do.

Its standard input is the lifeline: we hold it open, and the child reads end of file when this process ends, however it
ends. Used for the settler and for the API.
"""

import asyncio
import subprocess
from collections.abc import Mapping

from addon.start_module import module_command, module_environment


class ChildProcess:
    """A running `python -m MODULE ARGUMENTS`. Not asyncio's own process: that one kills the child with its loop."""

    def __init__(
        self,
        module: str,
        *arguments: str,
        variables: Mapping[str, str] | None = None,
        pipe_output: bool = False,
    ) -> None:
        """Starts it, with `variables` added to our environment. Raises OSError."""
        self._process = subprocess.Popen(
            module_command(module, *arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if pipe_output else None,
            env=module_environment(variables),
            start_new_session=True,  # Ctrl-C is for us; the child ends when we have ended
        )

    @property
    def exit_status(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    async def first_line(self, timeout_s: float) -> bytes:
        """The first line of its output. Raises TimeoutError; then the child must be killed, which ends the reading."""
        assert self._process.stdout, "pipe_output is needed"
        return await asyncio.wait_for(asyncio.to_thread(self._process.stdout.readline), timeout_s)

    async def end(self, timeout_s: float) -> bool:
        """Lets go of the lifeline and waits. False if it still runs after `timeout_s`."""
        if self._process.stdin:
            self._process.stdin.close()
        try:
            await asyncio.to_thread(self._process.wait, timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        self._process.kill()
