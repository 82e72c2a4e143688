"""Causal judges: a shared prefix changes nothing but the time; adapters learn what is judged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from imitative.errors import InputError
from imitative.testing.tiny import tiny_model, word_tokenizer
from imitative.texts.causal import CausalReader, Preferred, Reading, load_reader, section_map
from imitative.texts.trunk import LIKELIHOOD, TEST, CausalJudges, Sharing

pytestmark = pytest.mark.slow  # torch and transformers take seconds to import
WORDS = ["foul", "sweet", "red", "green", "tall", "short", "good", "bad", "smell", "cap", "is", "if", "it", "not"]
CLAUSES = ["it is bad", "it is good"]


@pytest.fixture
def make() -> Callable[..., CausalReader]:
    tokenizer = word_tokenizer([" ".join(WORDS), "A: it is bad. B: it is good. Answer: Is it?"])

    def build(seed: int = 0, width: int = 64) -> CausalReader:
        return CausalReader(tiny_model(len(tokenizer), width=width, seed=seed), tokenizer, CLAUSES, "Is it?")

    return build


def texts(rng: np.random.Generator, n: int, most: int) -> list[str]:
    return [" ".join(rng.choice(WORDS, int(rng.integers(1, most)))) for _ in range(n)]


def test_a_shared_prefix_changes_nothing(make: Callable[..., CausalReader]) -> None:
    rng = np.random.default_rng(0)
    reader = make()
    for length in (1, 40, 200):
        text = " ".join(rng.choice(WORDS, length))
        items = texts(rng, 50, 30)
        shared, whole = reader.log_probabilities(items, text), reader.whole(items, text)
        np.testing.assert_allclose(shared, whole, atol=1e-4)
        np.testing.assert_allclose(np.exp(shared).sum(axis=1), 1.0, atol=1e-6)
        order = rng.permutation(len(items))
        again = reader.log_probabilities([items[i] for i in order], text)
        np.testing.assert_allclose(again, shared[order], atol=1e-5)


def foul_is_bad(rng: np.random.Generator, n: int) -> list[Reading]:
    """What is foul is bad, and what is sweet good: people read so, whatever else the rules or the item say."""
    smells = rng.choice(["foul", "sweet"], n)
    return [
        Reading(
            " ".join(rng.choice(WORDS[2:6], 5)), f"smell {smell} cap {rng.choice(WORDS[2:6])}", int(smell == "sweet")
        )
        for smell in smells
    ]


@pytest.mark.parametrize("sharing", Sharing)
def test_judges_learn_to_read_and_to_prefer_and_forget(make: Callable[..., CausalReader], sharing: Sharing) -> None:
    rng = np.random.default_rng(1)
    judges = CausalJudges(make(), sharing, rate=5e-3)
    before = judges.log_probabilities(["smell foul"], "red"), judges.hidden(["it is red"])
    readings = foul_is_bad(rng, 300)
    pairs = [
        Preferred(*(sides := (f"it is {a}", f"it is {b}")), 2 if sides[0].endswith("green") else -2)
        for a, b in (rng.permutation(["green", "red"]) for _ in range(60))
    ]
    losses = judges.fit(pairs, {LIKELIHOOD: readings, TEST: readings[:50]}, steps=150)
    assert losses[-1] < 0.6 * losses[0]
    assert float(np.diff(judges.scores(["it is red", "it is green"]))[0]) > 1.0
    fresh = foul_is_bad(rng, 60)
    right = [int(judges.log_probabilities([r.item], r.text)[0].argmax()) == r.answer for r in fresh]
    assert np.mean(right) > 0.8
    # What was learned is read the same through a shared prefix.
    items = [r.item for r in fresh]
    worn = judges.worn(LIKELIHOOD)
    np.testing.assert_allclose(
        worn.log_probabilities(items, fresh[0].text), worn.whole(items, fresh[0].text), atol=1e-4
    )
    apart = np.abs(judges.log_probabilities(items, "red", TEST) - judges.log_probabilities(items, "red")).max()
    assert (apart > 1e-3) == (sharing is not Sharing.ADAPTER)
    judges.reset()
    np.testing.assert_allclose(judges.log_probabilities(["smell foul"], "red"), before[0], atol=1e-5)
    np.testing.assert_allclose(judges.hidden(["it is red"]), before[1], atol=1e-5)


def test_a_map_says_what_each_condition_is_worth(make: Callable[..., CausalReader]) -> None:
    found = section_map(make(), ["foul", "sweet", "tall"])("if foul it is bad")
    assert found.shape == (4, 2)
    np.testing.assert_allclose(found.sum(axis=1), 0.0, atol=1e-9)


def test_a_model_is_saved_and_loaded_from_a_folder(make: Callable[..., CausalReader], tmp_path: Path) -> None:
    reader = make()
    reader.model.save_pretrained(tmp_path / "model")
    reader.tokenizer.save_pretrained(tmp_path / "model")
    loaded = load_reader(str(tmp_path / "model"), CLAUSES, "Is it?")
    items = ["foul", "sweet cap"]
    np.testing.assert_allclose(
        loaded.log_probabilities(items, "red"), reader.log_probabilities(items, "red"), atol=1e-5
    )
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="no causal model"):
        load_reader(str(tmp_path / "none"), CLAUSES)
