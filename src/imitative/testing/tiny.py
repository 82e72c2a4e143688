"""Language models small enough to be made by a test: a real transformer, real tokens, a server's mind.

A `LlamaForCausalLM` of a few hundred thousand weights, random or trained within minutes on a processor. Nothing is
downloaded. Needs torch and transformers, imported when a model is made.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, final

import numpy as np

from imitative.calls.call import Message, Token
from imitative.testing.server import NotSpoken, Spoken, Wish

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SPECIAL = ("<pad>", "<end>", "<unknown>")


def byte_tokenizer() -> PreTrainedTokenizerBase:
    """One token a byte: reads and writes any text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {sign: i for i, sign in enumerate([*SPECIAL, *letters])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return _wrapped(tokenizer)


def word_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerBase:
    """One token a word or mark of the texts; others are unknown."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    splits = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()])
    words = sorted({word for text in texts for word, _ in splits.pre_tokenize_str(text)})
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys([*SPECIAL, *words]))}
    tokenizer = Tokenizer(models.WordLevel(vocab=vocabulary, unk_token=SPECIAL[2]))
    tokenizer.pre_tokenizer = splits
    return _wrapped(tokenizer)


def _wrapped(tokenizer: Any) -> PreTrainedTokenizerBase:
    from transformers import PreTrainedTokenizerFast

    names = {"pad_token": SPECIAL[0], "eos_token": SPECIAL[1], "unk_token": SPECIAL[2]}
    make: Any = PreTrainedTokenizerFast  # untyped
    found: PreTrainedTokenizerBase = make(tokenizer_object=tokenizer, **names)
    return found


def tiny_model(words: int, *, width: int = 64, layers: int = 2, context: int = 4096, seed: int = 0) -> PreTrainedModel:
    """A transformer with random weights, float32, ready to be trained."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=words,
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=max(2, width // 32),
        max_position_embeddings=context,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=1,
        tie_word_embeddings=True,
    )
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    model: Any = LlamaForCausalLM(config)
    torch.set_rng_state(state)
    made: PreTrainedModel = model.eval()
    return made


@final
class TinyModel:
    """A transformer as a server's mind; see `server.Mind`.

    Args:
        model, tokenizer: what reads and writes; a random one over bytes where not given.
        name: the model's name.
        seed: of the random weights.
    """

    def __init__(
        self,
        model: PreTrainedModel | None = None,
        tokenizer: PreTrainedTokenizerBase | None = None,
        name: str = "tiny",
        seed: int = 0,
    ) -> None:
        self.tokenizer = tokenizer or byte_tokenizer()
        self.model = model or tiny_model(len(self.tokenizer), seed=seed)
        self.name = name
        self._lock = threading.Lock()

    def speak(self, messages: Sequence[Message], wish: Wish) -> Spoken:
        """See `server.Mind`."""
        import torch

        prompt = "".join(f"{message.role}: {message.content}\n" for message in messages) + "assistant: "
        ids = self.tokenizer(prompt, add_special_tokens=False)["input_ids"]
        room = int(self.model.config.max_position_embeddings)
        if len(ids) + wish.most_tokens > room:
            told = f"This model's maximum context length is {room} tokens; the request needs {len(ids)}"
            raise NotSpoken(told)
        rng = np.random.default_rng([wish.seed, len(ids)])
        wanted = _forced(wish.schema)
        tokens: list[Token] = []
        with self._lock, torch.no_grad():
            given, cache = torch.tensor([ids]), None
            for place in range(wish.most_tokens):
                out = self.model(given, past_key_values=cache, use_cache=True)
                cache = out.past_key_values
                log_p = torch.log_softmax(out.logits[0, -1].double(), dim=-1).numpy()
                chosen = self._chosen(log_p, wish, rng, wanted, place)
                if chosen is None or chosen == self.tokenizer.eos_token_id:
                    return Spoken(tuple(tokens), len(ids))
                best = np.argsort(-log_p)[: wish.alternatives]
                others = tuple((self._said(int(i)), float(log_p[i])) for i in best)
                tokens.append(Token(self._said(chosen), float(log_p[chosen]), others))
                given = torch.tensor([[chosen]])
        return Spoken(tuple(tokens), len(ids), cut=True)

    def _said(self, token: int) -> str:
        return str(self.tokenizer.decode([token]))

    def _chosen(
        self, log_p: Any, wish: Wish, rng: np.random.Generator, wanted: Sequence[str], place: int
    ) -> int | None:
        """The next token: of a structured reply, the likeliest way to go on with one of the texts it may be."""
        if wanted:
            options = [self.tokenizer(text, add_special_tokens=False)["input_ids"] for text in wanted]
            best = max(options, key=lambda ids: float(log_p[ids[0]]) if place == 0 else 0.0)
            if place == 0:
                self._text = best
            return int(self._text[place]) if place < len(self._text) else None
        if wish.temperature <= 0.0:
            return int(np.argmax(log_p))
        scaled = log_p / wish.temperature
        chances = np.exp(scaled - scaled.max())
        return int(rng.choice(len(chances), p=chances / chances.sum()))


def _forced(schema: Any) -> tuple[str, ...]:
    """The texts that a schema of one property with a list of values allows: what structured output comes to here."""
    import json

    properties = schema.get("properties", {}) if schema else {}
    if len(properties) != 1:
        return ()
    [(name, rule)] = properties.items()
    return tuple(json.dumps({name: value}) for value in rule.get("enum", ()))
