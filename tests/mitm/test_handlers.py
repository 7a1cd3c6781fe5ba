"""Events that mitmproxy's tasks bring to a connection's layers."""

import asyncio

import pytest

from addon.mitm.handlers import PatientLock


def test_a_task_that_is_cancelled_while_it_waits_brings_its_event_first() -> None:
    brought: list[str] = []

    async def bring(lock: PatientLock) -> None:
        async with lock:
            brought.append("event")
        await asyncio.sleep(3600)
        brought.append("never")

    async def cancel_it_twice() -> None:
        lock = PatientLock()
        await lock.acquire()
        task = asyncio.create_task(bring(lock))
        for _ in range(2):
            await asyncio.sleep(0)
            task.cancel("client disconnected")
        await asyncio.sleep(0)
        assert (brought, task.done()) == ([], False)
        lock.release()
        await task

    with pytest.raises(asyncio.CancelledError, match="client disconnected"):
        asyncio.run(cancel_it_twice())
    assert brought == ["event"]
