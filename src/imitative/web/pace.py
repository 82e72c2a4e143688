"""How much is asked of one process of the page at a time."""

from __future__ import annotations

from typing import Final

RATE: Final = 50.0
"""Requests a second from one caller: a person makes one, a program that judges quickly some dozens."""
AT_ONCE: Final = 5
"""Requests that are worked on at once; the rest wait their turn, first come, first served. More threads than can run
only take turns in the middle of requests, and some of those then wait long (docs/decisions/0011)."""
