"""The whole method in one file: from labelled photos and a person's judgements to a readable z*, and from it to labels.

    python examples/loop.py

D: 60 photos of dogs, in which every husky happens to stand in the snow. D′: photos in which half of the huskies do not.
A model fitted to D may learn that white pixels mean husky; a person would not. Nothing here but public names.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from imitative import (
    Answer,
    Feature,
    FeatureKind,
    Judgement,
    Kind,
    Labelled,
    Limits,
    Overseer,
    Problem,
    Query,
    Settings,
    Simulated,
    StatementSpace,
    Table,
    Truth,
    evaluate,
    induce,
    transfer,
)

# -- What can be said: features, in the words people use, and the answers ---------------------------------------------

FEATURES = (
    Feature("coat", FeatureKind.CATEGORICAL, "the coat", values=("fluffy", "short", "curly")),
    Feature(
        "ears",
        FeatureKind.CATEGORICAL,
        "the ears",
        phrases={"pointed": "the dog has pointed ears", "floppy": "the dog has floppy ears"},
        values=("pointed", "floppy"),
    ),
    Feature("background", FeatureKind.CATEGORICAL, "the background", values=("snow", "grass", "street")),
)  # fmt: skip
SPOKEN = {"husky": "the dog is a husky", "other": "the dog is of another breed"}
SPACE = StatementSpace(FEATURES, tuple(SPOKEN), SPOKEN, Limits(statements=4, conditions=1))


def photos(n: int, huskies_on_snow: float, rng: np.random.Generator) -> tuple[Table, np.ndarray]:
    """n described photos, and which are huskies (0) and which are not (1)."""
    answers = rng.integers(0, 2, n)
    rows = []
    for answer in answers:
        husky = answer == 0
        rows.append({
            "coat": "fluffy" if rng.random() < (0.97 if husky else 0.15) else str(rng.choice(["short", "curly"])),
            "ears": "pointed" if rng.random() < (0.97 if husky else 0.10) else "floppy",
            "background": "snow" if husky and rng.random() < huskies_on_snow else str(rng.choice(["grass", "street"])),
        })  # fmt: skip
    return Table.of(FEATURES, rows), answers


# -- Who judges: a simulated person, who knows that a breed is about the dog and not about the photo ------------------


def person(seed: int) -> Simulated:
    """Somebody who has seen a wolf: believes a little, is careless once in twenty answers."""
    return Simulated(
        SPACE,
        believes=[
            SPACE.read_statement("If the coat is fluffy, the dog is a husky (moderate evidence)."),
            SPACE.read_statement("If the dog has pointed ears, the dog is a husky (moderate evidence)."),
        ],
        relevance={"coat": 0.5, "ears": 0.5},
        irrelevant=-3.0,
        careless=0.05,
        seed=seed,
    )


class Aloud:
    """Any object with this one method is an overseer: a person, a model, or, as here, a wrapper around another."""

    def __init__(self, overseer: Overseer, say: int) -> None:
        self._overseer, self._say = overseer, say

    async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
        """Ask the other, and print the first few comparisons."""
        judgements = await self._overseer.judge(queries)
        for judgement in judgements:
            if self._say > 0 and judgement.query.kind is Kind.COMPARE_HYPOTHESES:
                self._say -= 1
                first, second = (text.splitlines()[0] for text in judgement.query.hypotheses)
                print(f"    {said(judgement.answer)}\n        {first}\n        {second}")
        return judgements


def said(answer: Answer) -> str:
    """A graded answer in words."""
    words = {2: "the first is much more plausible", 1: "the first is more plausible", 0: "both alike",
             -1: "the second is more plausible", -2: "the second is much more plausible"}  # fmt: skip
    return words[answer.grade] if answer.grade is not None else answer.outcome.value


def main(seed: int = 0) -> float:
    """Run Steps 1–4; the accuracy on D′."""
    rng = np.random.default_rng(seed)
    labelled, answers = photos(60, huskies_on_snow=1.0, rng=rng)
    unlabelled, truth = photos(400, huskies_on_snow=0.5, rng=rng)
    names = tuple(SPOKEN)
    problem = Problem("photos", "Is this dog a husky?", Labelled(labelled, answers, names), unlabelled, SPOKEN, SPACE)

    print("The person is asked to compare hypotheses, for example:")
    induced = induce(problem, Aloud(person(seed), say=3), seed=seed, budget=120, settings=Settings(rounds=3, steps=60))

    print("\nz*, the best by log prior + Σ log likelihood:")
    for line in SPACE.show(induced.best).splitlines():
        print(f"    {line}")
    for scored in induced.found[:3]:
        prior, likelihood = (
            f(scored.hypothesis) for f in (induced.posterior.log_prior, induced.posterior.log_likelihood)
        )
        first = SPACE.show(scored.hypothesis).splitlines()[0]
        print(f"    {scored.score:8.2f} nats = {prior:6.2f} + {likelihood:7.2f}   {first} …")

    transferred = transfer(induced, seed=seed)
    report = evaluate(problem, Truth(truth), transferred.model.probabilities(labelled), transferred.probabilities)
    audit = transferred.audit
    print(f"\nM_test, fitted to {transferred.answered} answers of the person holding z*, labels D′:")
    print(f"    right on {report['accuracy']['unlabelled']:.1%} of D′")
    if audit is not None:
        print(f"    agrees with the person on {audit.agreement:.0%} of {audit.n} fresh questions "
              f"(95 % interval {audit.low:.0%} to {audit.high:.0%})")  # fmt: skip
    print(f"    after {induced.ledger.asked_in_all} judgements")
    return float(report["accuracy"]["unlabelled"])


if __name__ == "__main__":
    main()
