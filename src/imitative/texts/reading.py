"""M_L over free text, read with a sentence encoder: what a section says is looked up among what could be said.

Every condition c of the statement space and every answer y make a sentence s_cy, *If the odour is foul, it is
poisonous.* A section t is taken to say those that mean nearly the same,

    a_t(c, y) = exp(κ·cos(e(t), e(s_cy))) / (exp(κ·τ) + Σ exp(κ·cos(e(t), e(s_c'y'))))

or exactly one, where it is a sentence of controlled English. It follows that reading is linear in what holds of x:

    logits_y(x, z) = b_y + Σ_t Σ_c holds_c(x) · (w_t·a_t(c, y) + r_t(c, y)),     P(y | x, z) = softmax_y

w_t is the strength in nats that t's words claim. r_t is learned from people's comparisons of answers: a Gaussian
process with covariance ρ²·s_t(c)·s_t′(c)·ē(t)·ē(t′)·[y = y′] over sections, so that how one was read informs how others
will be. ē(t) is e(t) less what all that could be said has in common, of length one. s_t(c) is where t may be read
otherwise than its words: of a sentence of controlled English where it says something, of any other text everywhere,
1/√n (n: how much holds of a question on average). b_y ~ N(0, σ²) is where people lean once, however many sections there
are: what they take for granted where z says nothing. κ and τ were set so that paraphrases of a sentence written by hand
find it (`tests/texts/test_text_models.py`), on no data set.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import logsumexp

from imitative.data import Floats, Table
from imitative.hypotheses.conditions import Condition
from imitative.hypotheses.statements import Statement, StatementSpace, Strength
from imitative.hypotheses.text import TextHypothesis, TextSpace
from imitative.preference import Comparisons, fit_preference
from imitative.records import Judgement, Kind
from imitative.traits import Encode

Reads = Callable[[Sequence[str]], Callable[[str], Floats]]
"""Conditions in English → a section → (K + 1, |Y|) nats for what holds."""
SHARP, THRESHOLD = 40.0, 0.55
"""κ and τ: of two sentences the nearer by 0.05 in cosine is e² times likelier meant; below a cosine of about 0.55 a
section is likelier to say something that no condition can."""
RESIDUAL_SD = 0.5
"""ρ: how far, in nats, people's reading of a section may depart from what its words come nearest to: as far as from one
word of strength to the next."""
LEAN_SD = 0.5
"""σ, in nats, of the same size as ρ."""
SAMPLE = 200
"""Sentences that what all have in common is taken over."""
ROWS_AT_ONCE = 1000
"""Of the kernel: a block of it takes some 50 MB."""
MOST_SENTENCES = 6000
"""Conditions times answers that are read: beyond it the most frequent conditions in D stay."""
USUAL_NATS = Strength.MODERATE.nats
SPEAKS = 0.2
"""A section speaks of what it moves by more nats: a hint, which is of 0.25, does. The encoder moves all a little."""


@final
class Lexicon:
    """What could be said: conditions in English, and what of it holds of a question.

    Args:
        space: the statement space, whose conditions and English are used.
        encode: the sentence encoder; None: only controlled English is understood.
        table: questions by which conditions are chosen where there are too many.
        reads: conditions in English → (section → what holding is worth), instead of the encoder: a causal judge.
    """

    def __init__(
        self, space: StatementSpace, encode: Encode | None, table: Table | None = None, reads: Reads | None = None
    ) -> None:
        self.space, self._encode = space, encode
        conditions = list(space.conditions())
        most = max(1, MOST_SENTENCES // len(space.answers))
        if len(conditions) > most and table is not None:
            often = np.array([condition.applies(table).mean() for condition in conditions])
            kept = np.sort(np.argsort(-np.minimum(often, 1.0 - often), kind="stable")[:most])
            conditions = [conditions[i] for i in kept]
        self.conditions: tuple[Condition, ...] = tuple(conditions)
        self._place = {condition: i for i, condition in enumerate(self.conditions)}
        self._reads = None if reads is None else reads([space.english.conditions((c,)) for c in self.conditions])
        self._read: dict[str, Floats] = {}
        self._vectors: dict[str, Floats] = {}
        self._sentences: Floats | None = None
        self._parsed_whole: dict[str, bool] = {}
        self._mean: Floats | None = None

    @property
    def size(self) -> int:
        """Conditions, and one place for what always holds."""
        return len(self.conditions) + 1

    def holds(self, table: Table) -> csr_array:
        """(N, size) what holds of each question; the last column is 1."""
        columns = [condition.applies(table) for condition in self.conditions]
        every = np.column_stack([*columns, np.ones(len(table), dtype=bool)]) if columns else np.ones((len(table), 1))
        return csr_array(every.astype(np.float64))

    def vector(self, section: str) -> Floats:
        """e(t), (d,); without an encoder, nothing is alike."""
        if self._encode is None:
            return np.zeros(1)
        if section not in self._vectors:
            self._vectors[section] = np.asarray(self._encode([section]), dtype=np.float64)[0]
        return self._vectors[section]

    def learn(self, sections: Sequence[str]) -> None:
        """Read many sections at once."""
        new = [section for section in dict.fromkeys(sections) if section not in self._vectors]
        if new and self._encode is not None:
            self._vectors.update(zip(new, np.asarray(self._encode(new), dtype=np.float64), strict=True))

    def forget(self) -> None:
        """Read everything anew: whoever reads has learned."""
        self._read.clear()
        self._vectors.clear()
        self._sentences, self._mean = None, None

    def apart(self, section: str) -> Floats:
        """ē(t), (d,): what tells it from other sections."""
        if self._encode is None:
            return np.zeros(1)
        if self._mean is None:
            every = self._sayable()
            picked = np.random.default_rng(0).permutation(len(every))[:SAMPLE]
            self._mean = np.asarray(self._encode([every[i] for i in np.sort(picked)]), dtype=np.float64).mean(axis=0)
        found = self.vector(section) - self._mean
        return np.asarray(found / max(float(np.linalg.norm(found)), 1e-9))

    def doubtful(self, section: str, n: float) -> Floats:
        """s_t, (size,): where a section may be read otherwise than its words, with n things holding of a question."""
        literal = self.literal(section)
        if self._parsed_whole[section]:
            return np.asarray(np.abs(literal).max(axis=1) > 0.0, dtype=np.float64)
        return np.full(self.size, 1.0 / np.sqrt(n))

    def literal(self, section: str) -> Floats:
        """w_t·a_t: (size, |Y|) nats for what holds."""
        if section not in self._read:
            self._read[section] = self._exactly(section)
        return self._read[section]

    def _exactly(self, section: str) -> Floats:
        """The literal reading where each sentence is controlled English; what the encoder finds where one is not."""
        found = np.zeros((self.size, len(self.space.answers)))
        self._parsed_whole[section] = True
        for sentence in _sentences(section):
            if not self._parsed(sentence, found):
                self._parsed_whole[section] = False
                found += self._nearest(sentence) if self._reads is None else self._reads(sentence)
        return found

    def _parsed(self, sentence: str, into: Floats) -> bool:
        answers = self.space.answers
        try:
            default = self.space.read(sentence) if sentence.startswith("By default, ") else None
            statement = None if default is not None else self.space.read_statement(sentence)
        except ValueError:
            return False
        if default is not None:
            into[-1, answers.index(default.default)] += default.default_strength.nats
            return True
        assert statement is not None
        if len(statement.conditions) != 1 or statement.conditions[0] not in self._place:
            return False
        into[self._place[statement.conditions[0]], answers.index(statement.answer)] += statement.strength.nats
        return True

    def _nearest(self, sentence: str) -> Floats:
        found = np.zeros((self.size, len(self.space.answers)))
        if self._encode is None:
            return found
        bare, nats = _strength(sentence)
        affirmed = _affirmed(bare)
        near = SHARP * (self._said() @ self.vector(affirmed or bare))
        weights = np.exp(near - logsumexp([*near, SHARP * THRESHOLD])).reshape(found.shape)
        if affirmed:  # what speaks against an answer speaks for the others
            weights = (weights.sum(axis=1, keepdims=True) - weights) / (weights.shape[1] - 1)
        return np.asarray(nats * weights)

    def _said(self) -> Floats:
        """The vectors of every sentence that could be said: (size·|Y|, d)."""
        if self._sentences is None:
            assert self._encode is not None
            self._sentences = np.asarray(self._encode(self._sayable()), dtype=np.float64)
        return self._sentences

    def _sayable(self) -> list[str]:
        """Every sentence that could be said: size·|Y|."""
        spoken = [self.space.spoken[answer] for answer in self.space.answers]
        texts = [
            f"If {self.space.english.conditions((condition,))}, {clause}."
            for condition in self.conditions
            for clause in spoken
        ]
        return [*texts, *(f"By default, {clause}." for clause in spoken)]


class Departures(NamedTuple):
    """What comparisons have taught of how sections are read, one row for each section of each text compared under.

    Args:
        where: (R, size) s_t of the section, at what held of the question.
        apart: (R, d) ē of the section.
        towards: (R, |Y|) ρ² times the weight of the comparison, for the answer preferred less the other.
        n: how much holds of a question on average.
    """

    where: csr_array
    apart: Floats
    towards: Floats
    n: float


@final
@dataclass(frozen=True, eq=False)
class TextReading:
    """M_L; see the module's formula.

    Args:
        lexicon: what could be said.
        space: Z, by which texts are parted into sections.
        learned: from comparisons; None: literal.
        lean: b, (|Y|,); None: none.
    """

    lexicon: Lexicon
    space: TextSpace
    learned: Departures | None = None
    lean: Floats | None = None
    _known: dict[str, Floats] = field(default_factory=dict, repr=False)

    def map(self, section: str) -> Floats:
        """w_t·a_t + r_t: (size, |Y|) nats for what holds."""
        if section not in self._known:
            found = self.lexicon.literal(section)
            if (learned := self.learned) is not None:
                alike = learned.apart @ self.lexicon.apart(section)
                residual = np.asarray(learned.where.T @ (alike[:, None] * learned.towards))
                found = found + self.lexicon.doubtful(section, learned.n)[:, None] * residual
            self._known[section] = found
        return self._known[section]

    @property
    def base(self) -> Floats:
        """b: (|Y|,) nats, whatever z says."""
        return np.zeros(len(self.lexicon.space.answers)) if self.lean is None else self.lean

    def whole(self, z: TextHypothesis) -> Floats:
        """The map of a whole text, b in the row of what always holds: (size, |Y|)."""
        found = np.zeros((self.lexicon.size, len(self.lexicon.space.answers)))
        found[-1] = self.base
        return np.asarray(np.sum([found, *(self.map(section) for section in z.sections)], axis=0))

    def logits(self, table: Table, z: TextHypothesis) -> Floats:
        """(N, |Y|) nats."""
        return np.asarray(self.lexicon.holds(table) @ self.whole(z))

    def log_probabilities(self, table: Table, z: TextHypothesis, answers: Sequence[str]) -> Floats:
        """(N, |Y|) nats; each row's exponentials sum to one. See `LikelihoodModel`."""
        order = [self.lexicon.space.answers.index(answer) for answer in answers]
        logits = self.logits(table, z)[:, order]
        return np.asarray(logits - logsumexp(logits, axis=1, keepdims=True))

    @classmethod
    def fit(cls, lexicon: Lexicon, space: TextSpace, judgements: Sequence[Judgement]) -> TextReading:
        """M_L after comparisons of answers under texts; other judgements are ignored."""
        compared = [j for j in judgements if j.answered and j.query.kind is Kind.COMPARE_ANSWERS]
        literal = cls(lexicon, space)
        if not compared or lexicon._encode is None:
            return literal
        table = Table.of(lexicon.space.features, [j.query.question or {} for j in compared], strict=False)
        holds, answers = lexicon.holds(table), lexicon.space.answers
        texts = [space.read(j.query.hypotheses[0]) for j in compared]
        lexicon.learn([section for z in texts for section in z.sections])
        signs = np.zeros((len(compared), len(answers)))
        grades = []
        for row, judgement in zip(signs, compared, strict=True):
            # The earlier answer is put first, so that a judge's lean to the first side is their lean to an answer.
            first, second = (answers.index(answer) for answer in judgement.query.answers)
            row[min(first, second)], row[max(first, second)] = 1.0, -1.0
            grade = judgement.answer.grade or 0
            grades.append(grade if first < second else -grade)
        offsets = np.array([float((holds[[i]] @ literal.whole(z) @ signs[i])[0]) for i, z in enumerate(texts)])
        n = max(1.0, float(holds.sum()) / len(compared))
        rows = [(i, section) for i, z in enumerate(texts) for section in z.sections]
        of = np.array([i for i, _ in rows])
        where = csr_array(np.stack([lexicon.doubtful(section, n) for _, section in rows])).multiply(holds[of]).tocsr()
        apart = np.stack([lexicon.apart(section) for _, section in rows])
        shared = RESIDUAL_SD**2 * _shared(where, apart, of, len(compared))
        kernel = (shared + LEAN_SD**2) * (signs @ signs.T)
        root = np.linalg.cholesky(kernel + 1e-6 * np.eye(len(kernel)))
        judges = [judgement.judge for judgement in compared]
        fitted = fit_preference(Comparisons(root, grades, judges, offsets), judges_model="each")
        weights = np.linalg.solve(root.T, fitted.mean)
        towards = weights[:, None] * signs
        learned = Departures(where, apart, RESIDUAL_SD**2 * towards[of], n)
        return cls(lexicon, space, learned, LEAN_SD**2 * towards.sum(axis=0))


def _shared(where: csr_array, apart: Floats, of: NDArray[np.int64], count: int) -> Floats:
    """(C, C) Σ over the sections of either text of ē·ē′ · Σ_c s(c)·s′(c), what holds of either question counted."""
    member = csr_array((np.ones(len(of)), (of, np.arange(len(of)))), shape=(count, len(of)))
    found = np.zeros((count, count))
    for start in range(0, len(of), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        alike = (where[part] @ where.T).toarray() * (apart[part] @ apart.T)
        found += member[:, part] @ (member @ alike.T).T
    return found


def _sentences(section: str) -> list[str]:
    """A section's sentences; a full stop between digits or before a small letter ends none."""
    return [part.strip() for part in re.split(r"(?<=[.!?])\s+(?=[A-Z“\"'])", section) if part.strip()]


_STRENGTHS: Mapping[str, float] = {
    **{strength.value: strength.nats for strength in Strength},
    "always": 4.0, "never": 4.0, "certainly": 4.0, "definitely": 4.0, "must": 2.0, "strongly": 2.0,
    "almost always": 2.0, "usually": 1.0, "likely": 1.0, "probably": 1.0,
    "often": 0.5, "sometimes": 0.25, "may": 0.25, "might": 0.25,
    "slightly": 0.5,
}  # fmt: skip
# The longest first: *almost always* is no *always*.
_CLAIMS = re.compile(rf"\b(?:{'|'.join(sorted(map(re.escape, _STRENGTHS), key=len, reverse=True))})\b")


def _strength(sentence: str) -> tuple[str, float]:
    """A sentence without the words of its strength in brackets, and the nats those or others in it claim.

    >>> _strength("A foul smell means poison (strong evidence).")
    ('A foul smell means poison.', 2.0)
    >>> _strength("Dogs with floppy ears are usually no huskies.")
    ('Dogs with floppy ears are usually no huskies.', 1.0)
    >>> [_strength(said)[1] for said in ("They are almost always huskies.", "Often, they are.", "They are, always.")]
    [2.0, 0.5, 4.0]
    """
    for words, nats in _STRENGTHS.items():
        if f"({words})" in sentence:
            return sentence.replace(f" ({words})", ""), nats
    claimed = [_STRENGTHS[words] for words in _CLAIMS.findall(sentence.lower())]
    return sentence, max(claimed, default=USUAL_NATS)


_NEGATION = re.compile(r"\b(?:never|not|cannot|can't|won't|isn't|aren't|doesn't|don't|no longer)\b", re.IGNORECASE)


def _affirmed(sentence: str) -> str:
    """The sentence without the negation that turns its answer round; empty where there is none.

    Sentence encoders hardly tell *are huskies* from *are not huskies*. A negation in the condition (*If the ears are
    not pointed, …*) is left to the conditions that say so.

    >>> _affirmed("Dogs with floppy ears are not huskies."), _affirmed("If its ears are not floppy, it is a husky.")
    ('Dogs with floppy ears are huskies.', '')
    """
    condition, comma, rest = sentence.partition(",")
    conditional = comma and condition.split(" ", 1)[0].lower() in ("if", "when", "where", "whenever")
    head, part = (condition + comma, rest) if conditional else ("", sentence)
    found = _NEGATION.search(part)
    if found is None:
        return ""
    word = {"isn't": "is", "aren't": "are", "can't": "can", "cannot": "can", "doesn't": "does", "don't": "do"}
    return " ".join((head + part[: found.start()] + word.get(found.group().lower(), "") + part[found.end() :]).split())


def statement_of(lexicon: Lexicon, i: int, answer: int, strength: Strength) -> Statement:
    """Condition i as a statement, for proposers that write controlled English."""
    return Statement((lexicon.conditions[i],), lexicon.space.answers[answer], strength)
