"""Our client before `transformers serve`, over a model made here: optional, and slow to start."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from imitative.calls import Call, Message, Service
from imitative.testing.tiny import byte_tokenizer, tiny_model
from tests.serving import TEMPLATE, NotStarted, asked_twice, running

pytestmark = pytest.mark.slow


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    command = Path(sys.executable).with_name("transformers")
    if not command.exists() or find_spec("fastapi") is None:
        pytest.skip("transformers[serving] is not installed")
    tokenizer: Any = byte_tokenizer()
    tokenizer.chat_template = TEMPLATE
    model: Any = tiny_model(len(tokenizer))
    for part in (tokenizer, model):
        part.save_pretrained(tmp_path / "model")
    arguments = [str(command), "serve", str(tmp_path / "model"), "--device", "cpu"]
    try:
        with running(arguments, "/health", tmp_path / "log", HF_HUB_OFFLINE="1") as address:
            yield Service(str(tmp_path / "model"), f"{address}/v1")
    except NotStarted as error:
        pytest.skip(f"transformers serve did not start: {str(error)[-300:]}")


def test_transformers_serve_completes_and_is_counted(service: Service) -> None:
    """It keeps the limit of a reply and counts tokens; it tells no log probabilities, whatever is asked for."""
    asked = Call(service.base_url, service.model, (Message("user", "Reply with A or B."),), 3, alternatives=5)
    completer, reply, again = asked_twice(service, asked)
    # A random model over bytes may write nothing that can be seen: unreadable, and told as that.
    assert reply.unreadable or (reply.text and reply.output_tokens <= 3 and again.cached)
    assert reply.tokens == ()
    failures, calls = completer.book.failures(), completer.book.total().calls
    # Twice each, where nothing is kept; where the server was busy, once more for every time, and each is written down.
    assert failures.pop("malformed", 0) == (4 if reply.unreadable else 0)
    assert calls - sum(failures.values()) == (4 if reply.unreadable else 1), failures
