"""M_prior, M_L and M_test on one causal trunk, or each on its own, fine-tuned on judgements.

    M_prior:      s(z) = v·h(z),    P(H prefers z to z′) = σ(s(z) − s(z′))
    M_L, M_test:  log P(y | x, z) = log softmax_y( logits of the answers' letters after z and x )

h is the trunk's last hidden state, v M_prior's head; the letters' rows of the output matrix are the head of the
others. A head of their own for M_L and M_test was tried: what it learns of whole items it says of single conditions
too, and summed over all that hold of x that came to fifty nats. What else the judges share is a choice (`Sharing`).
Adapters are low-rank (Hu et al. 2021, *LoRA*): a judge costs a hundredth of its trunk. On a trunk that stays as it
is, three adapters compute what three models with an adapter each would, from one set of weights. Needs the extra
`causal` (torch, transformers, peft), imported when a judge is made.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, final

import numpy as np

from imitative.data import Floats
from imitative.texts.causal import BATCH, CausalReader, Preferred, Reading, evaluating

if TYPE_CHECKING:
    import torch

PRIOR, LIKELIHOOD, TEST = "prior", "likelihood", "test"
JUDGES = (PRIOR, LIKELIHOOD, TEST)
RANK, ALPHA = 8, 16
"""Of the adapters."""
WHOLE_RATE = 0.25
"""Of the rate of adapters, where every weight of a model is fine-tuned."""


class Sharing(StrEnum):
    """What the three judges have in common."""

    ADAPTER = "adapter"  #: the trunk and one adapter, told apart by their heads and by what is asked
    TRUNK = "trunk"  #: the trunk, an adapter each
    NOTHING = "nothing"  #: three copies of the trunk, every weight of which is fine-tuned


@final
class CausalJudges:
    """See the module.

    Args:
        reader: the trunk with its way of reading.
        sharing: what the judges have in common.
        rate: of learning.
        seed: of adapters and batches.

    Raises:
        InputError: from `config`, if the extra `causal` is missing.
    """

    def __init__(
        self, reader: CausalReader, sharing: Sharing = Sharing.TRUNK, rate: float = 2e-3, seed: int = 0
    ) -> None:
        import torch

        self.sharing, self.rate, self.seed = sharing, rate, seed
        state = torch.get_rng_state()
        torch.manual_seed(seed)
        if sharing is Sharing.NOTHING:
            self._models = {judge: copy.deepcopy(reader.model) for judge in JUDGES}
            self._untouched = copy.deepcopy(reader.model.state_dict())
        else:
            self._models = dict.fromkeys(JUDGES, self._adapted(reader.model))
        self._head = torch.nn.Linear(int(reader.model.config.hidden_size), 1, bias=False)
        torch.nn.init.zeros_(self._head.weight)
        torch.set_rng_state(state)
        self._readers = {judge: reader.with_model(self._models[judge]) for judge in JUDGES}

    def _adapted(self, model: Any) -> Any:
        from peft import LoraConfig, get_peft_model

        config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules="all-linear", lora_dropout=0.0)
        names = list(dict.fromkeys(map(self._adapter, JUDGES)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft still asks transformers by a name it will drop
            found: Any = get_peft_model(model, config, adapter_name=names[0])
            for name in names[1:]:
                found.add_adapter(name, config)
        return found

    def _adapter(self, judge: str) -> str:
        return Sharing.ADAPTER.value if self.sharing is Sharing.ADAPTER else judge

    def worn(self, judge: str) -> CausalReader:
        """The trunk as this judge reads with it, until another is asked for."""
        if self.sharing is not Sharing.NOTHING:
            model: Any = self._models[judge]
            model.set_adapter(self._adapter(judge))
        return self._readers[judge]

    def reset(self) -> None:
        """Forget everything learned: the trunk as it was given, and a head that prefers nothing."""
        import torch

        if self.sharing is Sharing.NOTHING:
            for model in self._models.values():
                model.load_state_dict(self._untouched)
        else:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.seed)
                for part in self._models[PRIOR].modules():
                    for name in getattr(part, "lora_A", ()):
                        reset: Any = part.reset_lora_parameters
                        reset(name, True)
        torch.nn.init.zeros_(self._head.weight)

    # -- judging -----------------------------------------------------------------------------------------------------

    def hidden(self, texts: Sequence[str], judge: str = PRIOR) -> Floats:
        """h(t) after each text, (N, d)."""
        import torch

        reader = self.worn(judge)
        with torch.inference_mode(), evaluating(reader.model):
            parts = [reader.hidden(texts[i : i + BATCH]).float().numpy() for i in range(0, len(texts), BATCH)]
        return np.asarray(np.concatenate(parts), dtype=np.float64)

    def scores(self, texts: Sequence[str]) -> Floats:
        """M_prior's s(z): (N,) nats, up to a constant."""
        import torch

        hidden = torch.tensor(self.hidden(texts), dtype=torch.float32)
        with torch.inference_mode():
            return np.asarray(self._head(hidden)[:, 0].numpy(), dtype=np.float64)

    def log_probabilities(self, items: Sequence[str], text: str, judge: str = LIKELIHOOD) -> Floats:
        """M_L's, or M_test's, log P(y | x, z): (N, |Y|) nats."""
        return self.worn(judge).log_probabilities(items, text)

    # -- learning ----------------------------------------------------------------------------------------------------

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
            steps: of Adam, for the judges in turn.
            batch: judgements a step.
        """
        import torch

        tasks: list[tuple[str, Sequence[Any]]] = [(PRIOR, preferred), *(readings or {}).items()]
        tasks = [(judge, given) for judge, given in tasks if given]
        if not tasks:
            return []
        rng = np.random.default_rng(self.seed)
        optimiser = torch.optim.Adam(self._trained())
        losses: list[float] = []
        for step in range(steps):
            judge, given = tasks[step % len(tasks)]
            reader = self.worn(judge)
            reader.model.train()
            rows = rng.choice(len(given), size=min(batch, len(given)), replace=False)
            part = [given[int(i)] for i in rows]
            loss = self._preference_loss(part) if judge == PRIOR else reader.loss(part)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            losses.append(float(loss.detach()))
        for model in self._models.values():
            model.eval()  # type: ignore[no-untyped-call]
        tenth = max(1, len(losses) // 10)
        return [float(np.mean(losses[i : i + tenth])) for i in range(0, len(losses), tenth)]

    def _trained(self) -> list[dict[str, Any]]:
        """What the optimiser moves, each part at its rate; an adapter or a model that no loss touches stays."""
        whole, adapters = self.sharing is Sharing.NOTHING, dict[int, Any]()
        for model in {id(model): model for model in self._models.values()}.values():
            adapters |= {id(p): p for name, p in model.named_parameters() if whole or "lora_" in name}
        for parameter in adapters.values():
            parameter.requires_grad_(True)
        rate = self.rate * (WHOLE_RATE if whole else 1.0)
        return [
            {"params": list(adapters.values()), "lr": rate},
            {"params": list(self._head.parameters()), "lr": self.rate},
        ]

    def _preference_loss(self, part: Sequence[Preferred]) -> torch.Tensor:
        """−log σ(|grade|·sign·(s(z) − s(z′))), a tie counting half for either side."""
        import torch

        hidden = self._readers[PRIOR].hidden([p.first for p in part] + [p.second for p in part])
        scores = self._head(hidden)[:, 0]
        d = scores[: len(part)] - scores[len(part) :]
        target = torch.tensor([0.5 + 0.25 * p.grade for p in part])
        return torch.nn.functional.binary_cross_entropy_with_logits(d, target)


__all__ = ["JUDGES", "LIKELIHOOD", "PRIOR", "TEST", "CausalJudges", "Sharing"]
