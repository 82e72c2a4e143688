"""The server of `imitative.testing` streams: the same reply, a token at a time, to the client people use."""

from __future__ import annotations

from collections.abc import Sequence

from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam

from imitative.calls.call import Message, Token
from imitative.testing.server import Serving, Spoken, Wish

WORDS = ("Six", " rules", ",", " no", " more", " — ", "ünd\n", '"quoted"', "")


class Slow:
    """A mind whose reply has many tokens, and is cut where it is wished so."""

    name = "slow"

    def speak(self, messages: Sequence[Message], wish: Wish) -> Spoken:
        tokens = tuple(Token(word, -0.5, ((word, -0.5),)) for word in WORDS[: wish.most_tokens])
        return Spoken(tokens, 3, cut=len(tokens) < len(WORDS))


def test_a_stream_says_what_a_reply_says_a_token_at_a_time() -> None:
    said: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Write."}]
    with Serving(Slow()) as server, OpenAI(api_key="none", base_url=server.base_url, max_retries=0) as client:
        for most, end in ((64, "stop"), (4, "length")):
            whole = client.chat.completions.create(model="slow", messages=said, max_tokens=most)
            stream = client.chat.completions.create(model="slow", messages=said, max_tokens=most, stream=True)
            chunks = list(stream)
            parts = [chunk.choices[0].delta.content for chunk in chunks]
            assert parts[:-1] == list(WORDS[:most])
            assert "".join(part or "" for part in parts) == whole.choices[0].message.content
            assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + [end]
            assert whole.choices[0].finish_reason == end
        assert server.seen.requests == 4
