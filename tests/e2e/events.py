"""Card transactions whose outcome is known beforehand: the sample's model blocks large amounts for sure."""

import datetime
import json
from typing import Iterable

START = datetime.datetime(2026, 11, 2, 8, tzinfo=datetime.timezone.utc)
BLOCK_EVERY = 100
CURRENCIES = ["eur", "usd", "chf"]


def make(prefix: str, count: int, first: int = 0) -> list[dict]:
    """Events `prefix-<n>`, ten a second from START; each BLOCK_EVERY-th one will be blocked."""
    return [
        {
            "event_id": f"{prefix}-{n}",
            "event_time": (START + datetime.timedelta(milliseconds=100 * n)).isoformat(timespec="milliseconds"),
            "entity_id": f"C{n % 997}",
            "terminal_id": f"T{n % 101}",
            "transaction_amt": 900.5 if blocked(n) else 20 + n % 70,
            "transaction_currency": CURRENCIES[n % 3],
            "distance_km": n % 40 / 4,
            "card_bin": "410090",
        }
        for n in range(first, first + count)
    ]


def blocked(n: int) -> bool:
    return n % BLOCK_EVERY == 0


def blocked_ids(events: Iterable[dict]) -> set[str]:
    return {event["event_id"] for event in events if event["transaction_amt"] > 900}


def lines(events: Iterable[dict]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)
