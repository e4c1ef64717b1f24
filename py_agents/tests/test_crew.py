"""Work in the background, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from hms_a2a._crew import Crew, ended


async def deaf() -> None:
    """Does not hear the first cancellation, as a time-out of Python 3.11 may not."""
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    await asyncio.Event().wait()


async def test_a_cancellation_that_was_not_heard_is_made_again() -> None:
    tasks = [asyncio.ensure_future(deaf()) for _ in range(2)]
    await asyncio.sleep(0)
    await asyncio.wait_for(ended(*tasks), 10)
    assert all(task.cancelled() for task in tasks)
    await ended(*tasks)  # what has ended already is no trouble


async def test_work_that_takes_too_long_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    crew = Crew("kenya", 4)
    task = await crew.run("to wait", deaf)
    await asyncio.sleep(0)
    await asyncio.wait_for(crew.finish(0.05), 10)
    assert task.cancelled()
    assert "gave up 1 pieces of work" in caplog.text


async def test_there_must_be_a_place_for_work() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Crew("kenya", 0)
