"""The process that answers our endpoints, as the proxy starts and ends it."""

import asyncio
from pathlib import Path

import pytest

from addon.config.settings import load
from addon.hooks.api_process import ApiDown, ApiProcess


def test_one_that_starts_is_not_waited_for_at_the_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """On a busy machine its start takes many seconds."""

    async def ends_at_its_start() -> None:
        api = ApiProcess(load(tmp_path))
        asked = asyncio.create_task(api.port())
        await asyncio.sleep(0)  # the task goes on until it waits for the process
        await api.stop()
        with pytest.raises(ApiDown, match="about to end"):
            await asked

    asyncio.run(ends_at_its_start())
    assert not caplog.messages
