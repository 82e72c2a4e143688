"""M_prior over free text: how plausible people find a set of sections.

    log prior(z) = Σ_t θ·φ(t),     φ(t) = [1, words(t)/20, √a·e(t), √b·1_t]

e(t) is the sentence encoder's vector of section t, so a judgement on one section informs others that say alike; 1_t is
a place of t's own, for what its vector does not tell. θ ~ N(mean, I), fitted by the preference model of statements.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import final

import numpy as np

from imitative.data import Floats
from imitative.hypotheses.text import TextHypothesis, TextSpace
from imitative.preference import Preference, fit_preference
from imitative.prior import ENSEMBLE, evidence_of
from imitative.records import Judgement
from imitative.traits import Encode

MEAN_OF_SECTION, MEAN_OF_WORDS = -0.5, -0.25
"""Nats that a section costs, and twenty more words: of two texts that say as much people find the shorter likelier."""
MEANING_VARIANCE, OWN_VARIANCE = 4.0, 0.5
"""a and b in nats²: how far sections of different meaning differ in plausibility, and sections of the same meaning."""
WORDS = 20.0


@final
class TextTraits:
    """φ(z) of texts made of known sections.

    Args:
        space: Z.
        encode: the sentence encoder; None: sections are told apart, and nothing is known of what they mean.
        sections: those that have a place of their own.
    """

    def __init__(self, space: TextSpace, encode: Encode | None, sections: Sequence[str]) -> None:
        self.space, self._encode = space, encode
        self.sections = tuple(dict.fromkeys(sections))
        self._place = {section: i for i, section in enumerate(self.sections)}
        self._vectors: dict[str, Floats] = {}
        self.width = 0 if encode is None else int(np.asarray(encode(["a"])).shape[1])
        self.size = 2 + self.width + len(self.sections)
        self.learn(self.sections)

    def learn(self, sections: Sequence[str]) -> None:
        """Read the sections' vectors at once: one by one would be slow."""
        new = [section for section in dict.fromkeys(sections) if section not in self._vectors]
        if new and self._encode is not None:
            vectors = np.asarray(self._encode(new), dtype=np.float64)
            self._vectors.update(zip(new, vectors, strict=True))

    def section(self, section: str) -> Floats:
        """φ of one section: (d,)."""
        found = np.zeros(self.size)
        found[:2] = 1.0, len(section.split()) / WORDS
        if self._encode is not None:
            self.learn([section])
            found[2 : 2 + self.width] = np.sqrt(MEANING_VARIANCE) * self._vectors[section]
        if section in self._place:
            found[2 + self.width + self._place[section]] = np.sqrt(OWN_VARIANCE)
        return found

    def text(self, text: str) -> Floats:
        """φ(z) of a hypothesis given as text, a sum over its sections: (d,)."""
        return np.asarray(np.sum([self.section(section) for section in self.space.read(text).sections], axis=0))

    @cached_property
    def mean(self) -> Floats:
        """θ's mean before any judgement."""
        found = np.zeros(self.size)
        found[:2] = MEAN_OF_SECTION, MEAN_OF_WORDS
        return found


@final
class TextPrior:
    """M_prior for texts; see the module's formula. Satisfies `PriorModel` over `TextHypothesis`.

    Args:
        traits: φ.
        weights: θ's mean, (d,).
        draws: (E, d) draws of θ.
        preference: the fit they come from, if any.
    """

    def __init__(
        self, traits: TextTraits, weights: Floats, draws: Floats, preference: Preference | None = None
    ) -> None:
        self.traits, self.weights, self.draws, self.preference = traits, weights, draws, preference

    @classmethod
    def fit(cls, traits: TextTraits, judgements: Sequence[Judgement], seed: int = 0) -> TextPrior:
        """M_prior after judgements on hypotheses: comparisons, odds and bets; others are ignored."""
        rng = np.random.default_rng(seed)
        evidence = evidence_of(judgements, traits)
        if evidence is None:
            return cls(traits, traits.mean, traits.mean + rng.standard_normal((ENSEMBLE, traits.size)))
        preference = fit_preference(*evidence, mean=traits.mean, precision=np.ones(traits.size))
        return cls(traits, preference.mean, preference.sample(ENSEMBLE, rng), preference)

    def log_prior(self, z: TextHypothesis) -> float:
        """Nats, up to one constant for all z."""
        return float(sum(self.worth(section) for section in z.sections))

    def worth(self, section: str) -> float:
        """What one section adds, in nats."""
        return float(self.traits.section(section) @ self.weights)

    def sd(self, z: TextHypothesis) -> float:
        """How uncertain log_prior(z) is, in nats; a section never fitted adds the variance of its own place."""
        if not z.sections:
            return 0.0
        unknown = sum(section not in self.traits._place for section in z.sections)
        return float(np.sqrt(self.drawn(z).var() + OWN_VARIANCE * unknown))

    def usual(self, section: str) -> float:
        """What a section of its length adds of which no more is known, in nats."""
        return float(self.traits.section(section)[:2] @ self.weights[:2])

    def members(self, section: str) -> Floats:
        """Each draw's worth of a section: (E,) nats."""
        return np.asarray(self.draws @ self.traits.section(section))

    def drawn(self, z: TextHypothesis) -> Floats:
        """Each draw's log prior of a text: (E,) nats."""
        return np.asarray(np.sum([np.zeros(len(self.draws)), *map(self.members, z.sections)], axis=0))
