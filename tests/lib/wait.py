"""Waiting for something to come true, with a reason when it does not."""

import time
from typing import Callable, TypeVar

T = TypeVar("T")


def eventually(check: Callable[[], T], what: str, seconds: float = 30.0, every: float = 0.05) -> T:
    """Calls check until it returns something true, and returns that; AssertionError after `seconds`.

    eventually(lambda: smtp.mails(), "a mail arrives")
    """
    deadline = time.monotonic() + seconds
    while True:
        result = check()
        if result:
            return result
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {seconds:g} s: {what} (last: {result!r})")
        time.sleep(every)
