"""A small causal language model that reads: what it makes of a text z and an item x.

    log P(y | x, z) = log softmax_y( logits of the answers' letters after "rules z, item x" )

z is a prefix shared by all x: its keys and values are computed once, and every question attends to them. Needs the
extra `causal` (torch, transformers), imported when something is read.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any, NamedTuple, final

import numpy as np

from imitative.data import Floats
from imitative.errors import InputError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

BATCH = 32
"""Questions read at once: more is no faster on a processor, and a batch of long items stays below 100 MB."""
LEAST_GAIN = 0.02


class Reading(NamedTuple):
    """Somebody answered, or preferred an answer: text z, item x, the side preferred and how many sides there are."""

    text: str
    item: str
    answer: int


class Preferred(NamedTuple):
    """Somebody found one text more plausible than another."""

    first: str
    second: str
    grade: int


@final
class CausalReader:
    """log P(y | x, z) of a causal model.

    Args:
        model, tokenizer: the trunk.
        clauses: what each answer says, in order.
        question: what is asked of each item.
        form: (z, question and options) → (the prefix that all items share, what stands after an item).
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        clauses: Sequence[str],
        question: str = "",
        form: Callable[[str, str], tuple[str, str]] | None = None,
    ) -> None:
        self.model, self.tokenizer, self.clauses = model, tokenizer, tuple(clauses)
        options = " ".join(f"{letter}: {clause}." for letter, clause in zip(ascii_uppercase, clauses, strict=False))
        self._ask, self._form = f"{question} {options}".strip(), form or _plain
        self._letters = [self._token(letter) for letter in ascii_uppercase[: len(self.clauses)]]
        if len(set(self._letters)) < len(self._letters):
            raise ValueError("the tokenizer does not tell the letters of the answers apart")

    def with_model(self, model: Any) -> CausalReader:
        """The same way of reading, by another trunk."""
        found = copy.copy(self)
        found.model = model
        return found

    def log_probabilities(self, items: Sequence[str], text: str) -> Floats:
        """(N, |Y|) nats for N items under one text; z is read once, and each item after it."""
        import torch

        prefix, after = self._form(text, self._ask)
        head = self._ids(prefix)
        tails = [self._ids(item + after) for item in items]
        order = sorted(range(len(items)), key=lambda i: len(tails[i]))  # of one length, or nearly: little padding
        found = np.empty((len(items), len(self.clauses)))
        with torch.inference_mode(), evaluating(self.model):
            shared = self.model(torch.tensor([head]), use_cache=True).past_key_values
            for start in range(0, len(order), BATCH):
                rows = order[start : start + BATCH]
                found[rows] = self._after(shared, len(head), [tails[i] for i in rows])
        return found

    def whole(self, items: Sequence[str], text: str) -> Floats:
        """The same without sharing: every (x, z) is read whole. What sharing is measured against, and checked with."""
        import torch

        prefix, after = self._form(text, self._ask)
        head = self._ids(prefix)
        found = np.empty((len(items), len(self.clauses)))
        with torch.inference_mode(), evaluating(self.model):
            for start in range(0, len(items), BATCH):
                part = [head + self._ids(item + after) for item in items[start : start + BATCH]]
                ids, mask = self._padded(part)
                hidden = self._trunk()(ids, attention_mask=mask).last_hidden_state
                found[start : start + BATCH] = self._letters_of(hidden, part)
        return found

    def _after(self, shared: Any, length: int, tails: Sequence[Sequence[int]]) -> Floats:
        import torch

        ids, mask = self._padded(tails)
        cache = _repeated(shared, len(tails))
        before = torch.ones((len(tails), length), dtype=mask.dtype)
        places = torch.arange(length, length + ids.shape[1])[None].expand(len(tails), -1)
        hidden = self._trunk()(
            ids,
            attention_mask=torch.cat([before, mask], dim=1),
            position_ids=places,
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        return self._letters_of(hidden, tails)

    def _letters_of(self, hidden: torch.Tensor, parts: Sequence[Sequence[int]]) -> Floats:
        """log softmax over the letters at the last token of each row."""
        import torch

        last = hidden[torch.arange(len(parts)), torch.tensor([len(part) - 1 for part in parts])]
        return np.asarray(torch.log_softmax(self._logits(last).float(), dim=-1).numpy(), dtype=np.float64)

    def _logits(self, last: torch.Tensor) -> torch.Tensor:
        """(N, |Y|), by the letters' rows of the output matrix: the rest of the vocabulary decides nothing."""
        model: Any = self.model
        logits: torch.Tensor = last @ model.get_output_embeddings().weight[self._letters].T
        return logits

    def loss(self, readings: Sequence[Reading]) -> torch.Tensor:
        """Mean −log P(answer given) over a batch, to be trained on."""
        import torch

        forms = [self._form(reading.text, self._ask) for reading in readings]
        parts = [
            self._ids(prefix) + self._ids(r.item + after) for (prefix, after), r in zip(forms, readings, strict=True)
        ]
        ids, mask = self._padded(parts)
        hidden = self._trunk()(ids, attention_mask=mask).last_hidden_state
        last = hidden[torch.arange(len(parts)), torch.tensor([len(part) - 1 for part in parts])]
        return torch.nn.functional.cross_entropy(
            self._logits(last), torch.tensor([reading.answer for reading in readings])
        )

    def hidden(self, texts: Sequence[str]) -> torch.Tensor:
        """h(z): the trunk's last hidden state after each text, (N, d)."""
        import torch

        parts = [self._ids(text) or [0] for text in texts]
        ids, mask = self._padded(parts)
        states = self._trunk()(ids, attention_mask=mask).last_hidden_state
        found: torch.Tensor = states[torch.arange(len(parts)), torch.tensor([len(part) - 1 for part in parts])]
        return found

    def _trunk(self) -> Any:
        model: Any = self.model
        base = model.get_base_model() if hasattr(model, "get_base_model") else model
        return base.model

    def _padded(self, parts: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        longest = max(len(part) for part in parts)
        ids = torch.zeros((len(parts), longest), dtype=torch.long)
        mask = torch.zeros((len(parts), longest), dtype=torch.long)
        for row, part in enumerate(parts):
            ids[row, : len(part)], mask[row, : len(part)] = torch.tensor(part), 1
        return ids, mask

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _token(self, letter: str) -> int:
        return self._ids(f" {letter}")[-1]


def load_reader(folder: str, clauses: Sequence[str], question: str = "") -> CausalReader:
    """A model that `save_pretrained` wrote to a folder: safetensors only, no code of its own, no network.

    Raises:
        InputError: if torch or transformers is missing, or the folder holds no such model.
    """
    try:
        import transformers
    except ImportError:
        raise InputError(
            "[judges]", "no package transformers", "it installed", "pip install 'imitative[causal]'"
        ) from None
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder, **options)
        model: Any = transformers.AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True, **options)
        return CausalReader(model.eval(), tokenizer, clauses, question)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            folder, f"no causal model that can be loaded ({error})", "one saved by save_pretrained"
        ) from None


def section_map(reader: CausalReader, conditions: Sequence[str]) -> Callable[[str], Floats]:
    """How a causal model reads a section, as what each condition is worth: for `Lexicon(reads=…)`.

        map(t)[c, y] = log P(y | c holds, t) − log P(y | nothing is known, t),    centred over y

    One prefix a section, a question for each condition.
    """

    def read(section: str) -> Floats:
        log_p = reader.log_probabilities(["", *conditions], section)
        gain = log_p[1:] - log_p[0]
        always = log_p[0] - log_p[0].mean()
        gain = gain - gain.mean(axis=1, keepdims=True)
        gain[np.ptp(gain, axis=1) < LEAST_GAIN] = 0.0
        return np.vstack([gain, always])

    return read


def _plain(text: str, ask: str) -> tuple[str, str]:
    return f"{text}\n\n", f"\n{ask}\nAnswer:"


def _repeated(shared: Any, times: int) -> Any:
    """The prefix's keys and values for so many rows: views, copied only where a layer appends to them."""
    from transformers import DynamicCache

    cache: Any = DynamicCache()
    for place, layer in enumerate(shared.layers):
        cache.update(layer.keys, layer.values, place)
        own = cache.layers[place]  # set after the update, which would copy every row
        own.keys, own.values = (part.expand(times, -1, -1, -1) for part in (own.keys, own.values))
    return cache


@contextlib.contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Without dropout, and as it was afterwards."""
    was = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was)
