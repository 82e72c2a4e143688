"""Our client before `transformers serve`, over a model made here: optional, and slow to start."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from imitative.calls import Book, Call, Message, Paid, Server, Service
from imitative.testing.tiny import byte_tokenizer, tiny_model

pytestmark = pytest.mark.slow
TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant: "


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
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    arguments = [str(command), "serve", str(tmp_path / "model"), "--device", "cpu", "--host", "127.0.0.1"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    log = tmp_path / "log"
    with (
        log.open("wb") as out,
        subprocess.Popen([*arguments, "--port", str(port)], stdout=out, stderr=out, env=environment) as process,
    ):
        try:
            if not started(address, process):
                pytest.skip(f"transformers serve did not start: {log.read_text('utf-8', 'replace')[-300:]}")
            yield Service(str(tmp_path / "model"), f"{address}/v1")
        finally:
            process.terminate()
            process.wait(20)


def started(address: str, process: subprocess.Popen[bytes], path: str = "/health") -> bool:
    deadline = time.monotonic() + 120.0
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}{path}", timeout=2) as reply:  # noqa: S310
                return bool(reply.status == 200)
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    return False


def test_transformers_serve_completes_and_is_counted(service: Service) -> None:
    """It keeps the limit of a reply and counts tokens; it tells no log probabilities, whatever is asked for."""
    completer = Paid(Server(service), Book(None, "run"))
    asked = Call(service.base_url, service.model, (Message("user", "Reply with A or B."),), 3, alternatives=5)

    async def work() -> Any:
        try:
            return await completer.complete(asked), await completer.complete(asked)
        finally:
            await completer.rest()

    reply, again = asyncio.run(work())
    # A random model over bytes may write nothing that can be seen: unreadable, and told as that.
    assert reply.unreadable or (reply.text and reply.output_tokens <= 3 and again.cached)
    assert reply.tokens == ()
    failures, calls = completer.book.failures(), completer.book.total().calls
    # Twice each, where nothing is kept; where the server was busy, once more for every time, and each is written down.
    assert failures.pop("malformed", 0) == (4 if reply.unreadable else 0)
    assert calls - sum(failures.values()) == (4 if reply.unreadable else 1), failures
