"""Calls to language models that cost money: each is paid once, counted, limited and kept."""

from imitative.calls.book import Book, Limits, Purpose, Total, Uncertain
from imitative.calls.call import Call, Completer, ContextOverflow, Message, Reply, Token, estimate_tokens, side_by_side
from imitative.calls.paid import Paid
from imitative.calls.patience import Patience
from imitative.calls.prices import FREE, Price, read_prices
from imitative.calls.server import HOSTED, Server, ServerFailure, Service

__all__ = [
    "FREE", "HOSTED", "Book", "Call", "Completer", "ContextOverflow", "Limits", "Message", "Paid", "Patience", "Price",
    "Purpose", "Reply", "Server", "ServerFailure", "Service", "Token", "Total", "Uncertain", "estimate_tokens",
    "read_prices", "side_by_side",
]  # fmt: skip
