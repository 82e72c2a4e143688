"""What M_prior sees of a statement: the meaning of its words, and its structure, as numbers.

A statement s = (conditions c, answer y, strength w) has the traits

    φ(s) = [ 1, w, m · w², r(c), w · p(c) ⊗ v_y, w · a(c, y) ],        m: 1 + how many further values c names

`r(c)`, its *relevance* traits, are about what the conditions speak of, whichever answer they speak for: how many
conditions and further values, which features, and the sentence encoder's reading of them. `p(c)`, its *polarity*
traits, are about which answer they speak for: `v_y` is the contrast code of the answer (columns orthogonal, summing to
zero over Y), so exchanging the answers of a two-answer problem flips the sign. `a(c, y)`, the *affinity*, is how near
the encoder finds c to the clause of y. Where the questions hold texts, m · w² is there a second time, with every word
of a text counted, and so is how many of them nobody has rated. A hypothesis
has the sum of its statements' traits, its default's `b², b · v_y`, and a constant that only reference bets can see.
What several statements claim of one value for one answer is claimed together, (Σ w)² in place of Σ w²: whoever says a
thing in three conjunctions claims three times as much of it. But for that M_prior is additive over statements, so a
search that changes one statement never rereads the others, and a judgement on one statement informs those that mean
alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, final

import numpy as np
from scipy.linalg import helmert

from imitative.data import Feature, FeatureKind, Floats
from imitative.hypotheses.conditions import Condition, Relation, Said, repeatable, repeated, values_of
from imitative.hypotheses.statements import Hypothesis, Statement, StatementSpace, Strength

Encode = Callable[[Sequence[str]], "np.ndarray[tuple[int, int], np.dtype[np.float32]]"]
"""Texts → (N, d) unit vectors."""

MEANING_DIMENSIONS = 48
"""Principal components kept of the encoder's reading of a problem's words: enough to tell some hundred words apart."""
NEGATION = -0.75
"""How far `not good` leans back relative to how far `good` leans forward: people soften when they negate (VADER's
measured constant, Hutto & Gilbert 2014, is −0.74); M_prior's judgements correct it word by word."""
EXCLUSION = -0.3
"""The same for `is not foul`, which leaves open which of many other values it is."""


class TraitPrior(NamedTuple):
    """The Gaussian prior on M_prior's weights, in nats: mean and precision of each, (d,). The same for all problems."""

    mean: Floats
    precision: Floats


class Parts(NamedTuple):
    """r(c), p(c) and the affinity of conditions; of p(c) only what is not zero, since a text has thousands of words.

    Args:
        relevance: r(c), (2 + features + q,).
        atoms: the atoms named, indices into p(c).
        signs: what stands there, one for each of `atoms`.
        meaning: the rest of p(c), (q,).
        affinity: (|Y|,).
        words: how many words of texts are named.
        unrated: how many of those nobody has rated, where others of the same feature were.
    """

    relevance: Floats
    atoms: list[int]
    signs: list[float]
    meaning: Floats
    affinity: Floats
    words: int
    unrated: int


@final
class Traits:
    """φ: hypotheses → (d,) traits, d fixed by the space.

    Args:
        space: whose statements are described.
        encode: the sentence encoder, or None: then words mean nothing to each other.
    """

    def __init__(self, space: StatementSpace, encode: Encode | None) -> None:
        self.space = space
        self._atoms = {atom: i for i, atom in enumerate(_atoms(space))}
        self._features = {feature.name: i for i, feature in enumerate(space.features)}
        meaning, affinity = _meanings(space, list(self._atoms), encode)
        self._meaning, self._affinity = meaning, affinity
        self.contrasts = _contrasts(len(space.answers))
        self.relevance_size = 2 + len(self._features) + meaning.shape[1]
        self.polarity_size = len(self._atoms) + meaning.shape[1]
        self.texts = any(feature.kind is FeatureKind.TEXT for feature in space.features)
        by_answer = int(self.contrasts.shape[1]) * (1 + self.polarity_size)
        self.size = 5 + self.relevance_size + by_answer + 2 * int(self.texts) + 1
        self._cache: dict[tuple[Condition, ...], Parts] = {}
        self._by_text: dict[str, Floats] = {}
        self._said: dict[Condition, Said] = {}
        self._statements: dict[Statement, Floats] = {}
        self._latest: tuple[Hypothesis, Floats] | None = None

    # φ is laid out as
    # [Σ 1, Σ w, Σ m · w², b², 1 | relevance | default contrasts | polarity (contrast by contrast) | of texts: words,
    # unrated | affinity].

    claimed_at = 2
    """Where Σ m · w² stands in φ."""
    constant_at = 4
    """Where the constant stands in φ."""

    @property
    def relevance_at(self) -> slice:
        """Where r(c) stands in φ."""
        return slice(5, 5 + self.relevance_size)

    @property
    def default_at(self) -> slice:
        """Where b · v_y stands in φ."""
        return slice(self.relevance_at.stop, self.relevance_at.stop + self.contrasts.shape[1])

    @property
    def words_at(self) -> int:
        """Where Σ m · w² of the words of texts stands in φ, if `texts`."""
        return int(self.size - 3)

    @property
    def unrated_at(self) -> int:
        """Where the number of words that nobody has rated stands in φ, if `texts`."""
        return int(self.size - 2)

    def polarity_at(self, contrast: int) -> slice:
        """Where w · p(c) · v_y[contrast] stands in φ."""
        start = self.default_at.stop + contrast * self.polarity_size
        return slice(start, start + self.polarity_size)

    def conditions(self, conditions: tuple[Condition, ...]) -> tuple[Floats, Floats, Floats]:
        """r(c), p(c) and the affinity of c to each answer, (|Y|,): how close the encoder finds c to its clause."""
        parts = self.parts(conditions)
        polarity = np.zeros(self.polarity_size)
        polarity[parts.atoms] = parts.signs
        polarity[len(self._atoms) :] = parts.meaning
        return parts.relevance, polarity, parts.affinity

    def parts(self, conditions: tuple[Condition, ...]) -> Parts:
        """The same, with p(c) as what is not zero in it."""
        known = self._cache.get(conditions)
        if known is None:
            relevance, meaning = np.zeros(self.relevance_size), np.zeros(self._meaning.shape[1])
            affinity = np.zeros(len(self.space.answers))
            named: dict[int, float] = {}
            words = unrated = 0
            relevance[0] = len(conditions) - 1
            for condition in conditions:
                atoms, sign = self._atoms_of(condition)
                if condition.relation in (Relation.MENTIONS, Relation.NEGATES):
                    words += len(condition.values)
                    unrated += self._unrated(condition)
                relevance[1] += len(condition.values) - 1 if len(condition.values) > 1 else 0
                relevance[2 + self._features[condition.feature]] = 1.0
                if atoms:
                    relevance[2 + len(self._features) :] += self._meaning[atoms].mean(axis=0)
                    named |= {atom: named.get(atom, 0.0) + sign for atom in atoms}
                    meaning += sign * self._meaning[atoms].sum(axis=0)
                    affinity += sign * self._affinity[atoms].sum(axis=0)
            known = self._cache[conditions] = Parts(
                relevance, list(named), list(named.values()), meaning, affinity, words, unrated
            )
        return known

    def statement(self, statement: Statement) -> Floats:
        """φ(s), (d,)."""
        known = self._statements.get(statement)
        if known is not None:
            return known
        relevance, polarity, affinity = self.conditions(statement.conditions)
        w, y = statement.strength.nats, self.space.answers.index(statement.answer)
        traits = np.zeros(self.size)
        traits[0], traits[1], traits[2] = 1.0, w, (1.0 + relevance[1]) * w * w
        traits[self.relevance_at] = relevance
        for contrast in range(self.contrasts.shape[1]):
            traits[self.polarity_at(contrast)] = w * self.contrasts[y, contrast] * polarity
        if self.texts:
            parts = self.parts(statement.conditions)
            traits[self.words_at], traits[self.unrated_at] = parts.words * w * w, parts.unrated
        traits[-1] = w * affinity[y]
        self._statements[statement] = traits
        return traits

    def hypothesis(self, z: Hypothesis) -> Floats:
        """φ(z), (d,): the default's traits plus the sum of the statements'."""
        # A score asks for the mean and for the draws of the same z, one after the other.
        if self._latest is not None and self._latest[0] is z:
            return self._latest[1]
        traits = np.zeros(self.size)
        b = z.default_strength.nats
        traits[3], traits[4] = b * b, 1.0
        traits[self.default_at] = b * self.contrasts[self.space.answers.index(z.default)]
        for statement in z.statements:
            traits += self.statement(statement)
        joined = [s for s in z.statements if repeatable(s.conditions)]  # hundreds of single words are passed by
        single = [s for s in z.statements if not repeatable(s.conditions)]
        traits[self.claimed_at] += sum(self.again(s, [*single, *joined[:i]]) for i, s in enumerate(joined))
        traits.flags.writeable = False
        self._latest = z, traits
        return traits

    def said(self, condition: Condition) -> Said:
        """See `values_of`."""
        if condition not in self._said:
            self._said[condition] = values_of(condition, self.space.feature[condition.feature])
        return self._said[condition]

    def again(self, statement: Statement, others: Sequence[Statement]) -> float:
        """What a statement claims again of what others claim: 2 · Σ w · w′ over those for the same answer, for every
        value of which both speak.
        """
        alone, nats = not repeatable(statement.conditions), 0.0
        for other in others:
            if other.answer == statement.answer and not (alone and not repeatable(other.conditions)):
                nats += repeated(statement.conditions, other.conditions, self.said) * other.strength.nats
        return 2.0 * nats * statement.strength.nats

    def text(self, text: str) -> Floats:
        """φ of a hypothesis given as text, (d,)."""
        if text not in self._by_text:
            self._by_text[text] = self.hypothesis(self.space.read(text))
        return self._by_text[text]

    def weights_prior(self) -> TraitPrior:
        """What is believed of people before the first judgement.

        A sentence more costs a nat and a half, and 0.3 · w² for every value it names: without a reason people doubt a
        claim, the more so the stronger it is. A strong default is doubted too, since it speaks of what nobody has
        seen. A text mentions hundreds of words, most of which say little of anything: a strong claim about one of them
        is doubted far more, and any claim about one that nobody has a feeling about. What words mean is open: by it a
        strong statement may gain or lose several nats.
        """
        mean, sd = np.zeros(self.size), np.zeros(self.size)
        mean[:5], sd[:5] = [-1.5, 0.0, -0.3, -0.5, -3.0], [1.0, 0.5, 0.2, 0.25, 5.0]
        relevance = np.full(self.relevance_size, 1.0)
        relevance[:2] = [0.75, 0.3]
        relevance[2 + len(self._features) :] = 0.7
        sd[self.relevance_at] = relevance
        mean[self.relevance_at.start : self.relevance_at.start + 2] = [-0.5, -0.1]
        sd[self.default_at] = 0.5
        polarity = np.full(self.polarity_size, 1.0)
        kinds = {feature.name: feature.kind for feature in self.space.features}
        # The encoder finds words that are opposites alike: what a single word of a text says is more its own.
        polarity[: len(self._atoms)] = [1.2 if kinds[name] is FeatureKind.TEXT else 0.6 for name, _ in self._atoms]
        for contrast in range(self.contrasts.shape[1]):
            sd[self.polarity_at(contrast)] = polarity
        if self.texts:
            mean[self.words_at], sd[self.words_at] = -2.0, 1.0
            mean[self.unrated_at], sd[self.unrated_at] = -1.0, 1.5
        sd[-1] = 2.0
        return TraitPrior(mean, 1.0 / sd**2)

    def atom(self, feature: str, value: str) -> int | None:
        """The index among the polarity traits of one value (or word, or `high`) of a feature."""
        return self._atoms.get((feature, value))

    def feature(self, name: str) -> int:
        """The index in φ of the relevance of a feature."""
        return int(self.relevance_at.start) + 2 + self._features[name]

    def _unrated(self, condition: Condition) -> int:
        rated = self.space.rated.get(condition.feature)
        return 0 if rated is None else sum(word not in rated for word in condition.values)

    def _atoms_of(self, condition: Condition) -> tuple[list[int], float]:
        if condition.relation in (Relation.AT_LEAST, Relation.BELOW):
            high = self._atoms.get((condition.feature, _HIGH))  # None where the space has no cuts, but z speaks of one
            return [] if high is None else [high], 1.0 if condition.relation is Relation.AT_LEAST else -1.0
        sign = {Relation.NEGATES: NEGATION, Relation.IS_NOT: EXCLUSION}.get(condition.relation, 1.0)
        named = ((condition.feature, value) for value in condition.values)
        return [self._atoms[atom] for atom in named if atom in self._atoms], sign


_HIGH = "\x00high"
"""The atom of a numeric or ordinal feature that thresholds speak of; no value can be spelled so."""


def _atoms(space: StatementSpace) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for feature in space.features:
        found += [(feature.name, value) for value in feature.values if feature.discrete]
        found += [(feature.name, word) for word in space.words.get(feature.name, ())]
        if any(c.relation is Relation.AT_LEAST for c in space.conditions_on(feature)):
            found.append((feature.name, _HIGH))
    return found


def _texts(feature: Feature, value: str, space: StatementSpace) -> tuple[str, str]:
    """What the encoder reads of one atom: the clause, and the bare word."""
    if value == _HIGH:
        return f"{feature.spoken} is high", feature.spoken
    if not feature.discrete:
        return value, value
    return space.english.condition(Condition(feature.name, Relation.IS, (value,))), feature.word(value)


def _meanings(space: StatementSpace, atoms: Sequence[tuple[str, str]], encode: Encode | None) -> tuple[Floats, Floats]:
    """Each atom's meaning, (A, q), and its affinity to each answer, (A, |Y|), centred over the atoms."""
    if encode is None or not atoms:
        return np.zeros((len(atoms), 0)), np.zeros((len(atoms), len(space.answers)))
    features = {feature.name: feature for feature in space.features}
    clauses, words = zip(*(_texts(features[name], value, space) for name, value in atoms), strict=True)
    spoken = np.asarray(encode([space.spoken[answer] for answer in space.answers]), dtype=np.float64)
    in_clause = np.asarray(encode(clauses), dtype=np.float64)
    alone = in_clause if clauses == words else np.asarray(encode(words), dtype=np.float64)
    affinity = in_clause @ (spoken - spoken.mean(axis=0)).T
    spread = affinity.std() or 1.0
    return _principal(np.hstack([in_clause, alone])), (affinity - affinity.mean(axis=0)) / spread


def _principal(vectors: Floats) -> Floats:
    """The leading principal components, scaled so that an atom's squared norm is 1 on average."""
    centred = vectors - vectors.mean(axis=0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    kept = left[:, :MEANING_DIMENSIONS] * values[:MEANING_DIMENSIONS]
    norm = np.sqrt((kept**2).sum(axis=1).mean())
    return np.asarray(kept / norm) if norm > 1e-9 else kept


def _contrasts(answers: int) -> Floats:
    """(|Y|, |Y| − 1): Helmert contrasts; for two answers +1 and −1."""
    return np.asarray(helmert(answers).T * np.sqrt(2.0))


STRENGTHS = tuple(Strength)
NATS = np.array([strength.nats for strength in STRENGTHS])
"""The strengths' nats, (W,), in the order of every array whose axis is the strengths."""
