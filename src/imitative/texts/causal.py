"""Judges made of a small causal language model: one trunk that reads, with a head or an adapter for each judge.

    M_L:      log P(y | x, z) = log softmax_y( logits of the answers' letters after "rules z, item x" )
    M_prior:  s(z) = v·h(z),  P(H prefers z to z′) = σ(s(z) − s(z′)),  h the trunk's last hidden state

z is a prefix shared by all x: its keys and values are computed once, and every question attends to them. Adapters are
low-rank (Hu et al. 2021, *LoRA*), so a judge costs a hundredth of its trunk. Needs the extra `causal` (torch,
transformers, peft), imported when a judge is made.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
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
RANK, ALPHA = 8, 16
"""Of the adapters."""
LEAST_GAIN = 0.02
TRUNK = "trunk"
PRIOR, LIKELIHOOD, TEST = "prior", "likelihood", "test"


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

    def log_probabilities(self, items: Sequence[str], text: str) -> Floats:
        """(N, |Y|) nats for N items under one text; z is read once, and each item after it."""
        import torch

        prefix, after = self._form(text, self._ask)
        head = self._ids(prefix)
        tails = [self._ids(item + after) for item in items]
        order = sorted(range(len(items)), key=lambda i: len(tails[i]))  # of one length, or nearly: little padding
        found = np.empty((len(items), len(self.clauses)))
        with torch.inference_mode(), _evaluating(self.model):
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
        with torch.inference_mode(), _evaluating(self.model):
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
        # Only the letters' rows of the output matrix: the rest of the vocabulary decides nothing.
        model: Any = self.model
        logits = last @ model.get_output_embeddings().weight[self._letters].T
        return np.asarray(torch.log_softmax(logits.float(), dim=-1).numpy(), dtype=np.float64)

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
        model: Any = self.model
        logits = last @ model.get_output_embeddings().weight[self._letters].T
        return torch.nn.functional.cross_entropy(logits, torch.tensor([reading.answer for reading in readings]))

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


@final
class CausalJudges:
    """M_prior, M_L and M_test on one trunk, fine-tuned on judgements.

    Args:
        reader: the trunk with its way of reading.
        shared: whether all three share one adapter, with a head each, or each has an adapter of its own.
        rate: of learning.
        seed: of adapters, heads and batches.

    Raises:
        InputError: from `config`, if the extra `causal` is missing.
    """

    def __init__(self, reader: CausalReader, shared: bool = True, rate: float = 2e-3, seed: int = 0) -> None:
        import torch
        from peft import LoraConfig, get_peft_model

        self.shared, self.rate, self.seed = shared, rate, seed
        state = torch.get_rng_state()
        torch.manual_seed(seed)
        config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules="all-linear", lora_dropout=0.0)
        names = [TRUNK] if shared else [PRIOR, LIKELIHOOD, TEST]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft still asks transformers by a name it will drop
            model: Any = get_peft_model(reader.model, config, adapter_name=names[0])
            for name in names[1:]:
                model.add_adapter(name, config)
        width = int(reader.model.config.hidden_size)
        self._head = torch.nn.Linear(width, 1, bias=False)
        torch.nn.init.zeros_(self._head.weight)
        torch.set_rng_state(state)
        self._model = model
        self.reader = CausalReader(model, reader.tokenizer, reader.clauses)
        self.reader._ask, self.reader._form = reader._ask, reader._form

    def _wear(self, judge: str) -> None:
        self._model.set_adapter(TRUNK if self.shared else judge)

    def worn(self, judge: str) -> CausalReader:
        """The trunk as this judge reads with it, until another is asked for."""
        self._wear(judge)
        return self.reader

    def reset(self) -> None:
        """Forget everything learned: adapters that change nothing, and a head that prefers nothing."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            for part in self._model.modules():
                for name in getattr(part, "lora_A", ()):
                    part.reset_lora_parameters(name, True)
        torch.nn.init.zeros_(self._head.weight)

    def hidden(self, texts: Sequence[str], judge: str = PRIOR) -> Floats:
        """h(t) after each text, (N, d)."""
        import torch

        self._wear(judge)
        with torch.inference_mode(), _evaluating(self._model):
            parts = [self.reader.hidden(texts[i : i + BATCH]).float().numpy() for i in range(0, len(texts), BATCH)]
        return np.asarray(np.concatenate(parts), dtype=np.float64)

    def fit(
        self,
        preferred: Sequence[Preferred] = (),
        readings: Mapping[str, Sequence[Reading]] | None = None,
        steps: int = 200,
        batch: int = 16,
    ) -> list[float]:
        """Learn from judgements; the mean loss of each tenth of the way.

        Args:
            preferred: of two texts, for M_prior.
            readings: `LIKELIHOOD` or `TEST` → answers, for M_L or M_test.
            steps: of Adam.
            batch: judgements a step.
        """
        import torch

        tasks: list[tuple[str, Sequence[Any]]] = [(PRIOR, preferred), *(readings or {}).items()]
        tasks = [(judge, given) for judge, given in tasks if given]
        if not tasks:
            return []
        rng = np.random.default_rng(self.seed)
        trained = [p for name, p in self._model.named_parameters() if "lora_" in name]
        for parameter in trained:
            parameter.requires_grad_(True)
        optimiser = torch.optim.Adam([*trained, *self._head.parameters()], lr=self.rate)
        losses: list[float] = []
        self._model.train()
        for step in range(steps):
            judge, given = tasks[step % len(tasks)]
            self._wear(judge)
            rows = rng.choice(len(given), size=min(batch, len(given)), replace=False)
            part = [given[int(i)] for i in rows]
            loss = self._preference_loss(part) if judge == PRIOR else self.reader.loss(part)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            losses.append(float(loss.detach()))
        self._model.eval()
        tenth = max(1, len(losses) // 10)
        return [float(np.mean(losses[i : i + tenth])) for i in range(0, len(losses), tenth)]

    def _preference_loss(self, part: Sequence[Preferred]) -> torch.Tensor:
        """−log σ(|grade|·sign·(s(z) − s(z′))), a tie counting half for either side."""
        import torch

        scores = self._head(self.reader.hidden([p.first for p in part] + [p.second for p in part]))[:, 0]
        d = scores[: len(part)] - scores[len(part) :]
        target = torch.tensor([0.5 + 0.25 * p.grade for p in part])
        return torch.nn.functional.binary_cross_entropy_with_logits(d, target)

    def scores(self, texts: Sequence[str]) -> Floats:
        """M_prior's s(z): (N,) nats, up to a constant."""
        import torch

        self._wear(PRIOR)
        with torch.inference_mode():
            parts = [
                self._head(self.reader.hidden(texts[i : i + BATCH]))[:, 0].numpy() for i in range(0, len(texts), BATCH)
            ]
        return np.asarray(np.concatenate(parts), dtype=np.float64)

    def log_probabilities(self, items: Sequence[str], text: str, judge: str = LIKELIHOOD) -> Floats:
        """M_L's, or M_test's, log P(y | x, z): (N, |Y|) nats."""
        self._wear(judge)
        return self.reader.log_probabilities(items, text)


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
def _evaluating(model: Any) -> Iterator[None]:
    was = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was)
