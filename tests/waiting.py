"""Waiting for what other tasks and processes do: a condition with a deadline instead of a sleep."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

Condition = Callable[[], Any] | Callable[[], Awaitable[Any]]
POLL_S = 0.005


async def wait_until(condition: Condition, timeout_s: float = 10.0) -> Any:
    """The first true value of `condition`, which may be a plain or an async callable.

    Raises:
        TimeoutError: it was false for `timeout_s`; the message shows where it stands and its last value.
    """
    value: Any = None
    try:
        async with asyncio.timeout(timeout_s):
            while not value:
                value = condition()
                if inspect.isawaitable(value):
                    value = await value
                if not value:
                    await asyncio.sleep(POLL_S)
    except TimeoutError:
        code = getattr(condition, "__code__", None)
        where = f"{code.co_filename}:{code.co_firstlineno}" if code else repr(condition)
        raise TimeoutError(f"not true within {timeout_s} s, last {value!r}: {where}") from None
    return value


@pytest.fixture(name="wait_until")
def wait_until_fixture() -> Callable[..., Awaitable[Any]]:
    """`await wait_until(condition, timeout_s=...)`."""
    return wait_until
