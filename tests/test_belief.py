from __future__ import annotations

import numpy as np
import pytest

from imitative.hypotheses.belief import Belief, BeliefSpace, Dependence, Parameter, gaussian_noise
from imitative.hypotheses.marginal import Clause, Form, Marginal

SPACE = BeliefSpace(
    (
        Parameter("R0", sentence="the number of people one case infects", lower=0.0),
        Parameter("the serial interval", "days", lower=0.0),
        Parameter("the effect of lockdown"),
        Parameter("the share", lower=0.0, upper=1.0),
    )
)
TEXT = """R0 is between 2 and 3, most likely 2.4.
The serial interval is about 6.5 days, give or take 0.5.
The effect of lockdown is either about 0.2, give or take 0.1 (70 %) or about 1, give or take 0.2.
The share is about 0.4, as after 20 cases.
When R0 is high, the effect of lockdown is larger.
When the serial interval is high, the share is far smaller."""


def test_what_is_read_is_what_was_shown() -> None:
    assert SPACE.show(SPACE.read(TEXT)) == TEXT


@pytest.mark.parametrize("seed", range(60))
def test_every_belief_and_every_neighbour_round_trips(seed: int) -> None:
    z = SPACE.sample(np.random.default_rng(seed))
    assert SPACE.read(SPACE.show(z)) == z
    for neighbour in SPACE.neighbours(z) if seed < 10 else ():
        assert neighbour.hypothesis != z
        assert SPACE.read(SPACE.show(neighbour.hypothesis)) == neighbour.hypothesis


def test_sentences_are_read_in_any_order_and_with_any_capitals() -> None:
    shuffled = "\n".join(reversed(TEXT.lower().splitlines()))
    z = SPACE.read(shuffled)
    assert z.marginals == SPACE.read(TEXT).marginals
    assert set(z.dependences) == set(SPACE.read(TEXT).dependences)


def test_when_low_is_when_high_the_other_way_round() -> None:
    base = "\n".join(TEXT.splitlines()[:4])
    high = SPACE.read(f"{base}\nWhen R0 is high, the share is larger.")
    assert SPACE.read(f"{base}\nWhen R0 is low, the share is smaller.") == high


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        (
            "The serial interval is about 6.5 hours, give or take 0.5.",
            "the unit “hours” where the parameter's is “days”",
        ),
        ("R0 is between 3 and 2.", "the smaller number comes first"),
        ("R0 is between -1 and 2.", "cannot be"),
        ("R0 is about 2.4, give or take 0.", "more than 0"),
        ("R0 is about 2.4, give or take a factor of 0.5.", "a factor above 1"),
        ("R0 is rather large.", "is none of"),
        ("R9 is between 2 and 3.", "none of the parameters"),
        ("R0 is either about 2, give or take 1 or about 3, give or take 1.", "a share before each or"),
        ("R0 is either about 2, give or take 1 (100 %) or about 3, give or take 1.", "below 100 %"),
        ("When R0 is high, the moon is larger.", "is not: When A is high"),
        ("When R0 is high, R0 is larger.", "circle"),
        ("When the effect of lockdown is high, R0 is larger.", "twice"),
    ],
)
def test_what_cannot_be_read_is_named(sentence: str, told: str) -> None:
    name = sentence.split(" is ", maxsplit=1)[0].lower()
    kept = [line for line in TEXT.splitlines() if not line.lower().startswith(f"{name} is")]
    with pytest.raises(ValueError, match=told):
        SPACE.read("\n".join([*kept, sentence]))


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match="nothing said of the share"):
        SPACE.read("\n".join(TEXT.splitlines()[:3]))


def test_more_cannot_be_explained_than_there_is() -> None:
    space = BeliefSpace(tuple(Parameter(name) for name in "abc"))
    z = Belief(
        (Marginal((Clause(Form.ABOUT, (0.0, 1.0)),)),) * 3,
        (Dependence("a", "c", "far", True), Dependence("b", "c", "far", True)),
    )
    with pytest.raises(ValueError, match="more of c than there is"):
        space.checked(z)


@pytest.mark.parametrize("seed", range(12))
def test_a_marginal_s_density_is_the_density_of_its_draws(seed: int) -> None:
    z = SPACE.sample(np.random.default_rng(seed))
    for marginal, p in zip(z.marginals, SPACE.parameters, strict=True):
        t, h = np.linspace(-3.0, 3.0, 301), 1e-4
        x = marginal.from_normal(t, p.lower, p.upper)
        ahead, behind = (marginal.from_normal(t + step, p.lower, p.upper) for step in (h, -h))
        # log p(x) + log dx/dt is the standard normal's density, but for the few places where a clause has a corner.
        found = marginal.log_density(x, p.lower, p.upper) + np.log((ahead - behind) / (2 * h))
        off = np.abs(found + 0.5 * t**2 + 0.5 * np.log(2 * np.pi))
        assert np.quantile(off, 0.9) < 0.02
        assert marginal.to_normal(x, p.lower, p.upper) == pytest.approx(t, abs=1e-4)


def test_the_joint_density_is_normalised_and_its_dependence_is_the_one_said() -> None:
    space = BeliefSpace((Parameter("a"), Parameter("b", lower=0.0)))
    z = space.read(
        "a is about 1, give or take 2\nb is about 3, give or take a factor of 1.5\nWhen a is high, b is much smaller"
    )
    theta = space.draw(z, gaussian_noise(16384, 2, 0))
    assert np.corrcoef(theta[:, 0], np.log(theta[:, 1]))[0, 1] == pytest.approx(-0.75, abs=0.01)
    wide = space.read("a is about 1, give or take 3\nb is about 3, give or take a factor of 2")
    points = space.draw(wide, gaussian_noise(65536, 2, 1))
    ratio = np.exp(space.log_density(z, points) - space.log_density(wide, points))
    assert ratio.mean() == pytest.approx(1.0, abs=0.01)


def test_independent_beliefs_have_the_sum_of_their_marginals() -> None:
    z = SPACE.read("\n".join(TEXT.splitlines()[:4]))
    theta = SPACE.draw(z, gaussian_noise(64, 4, 0))
    each = [
        m.log_density(theta[:, i], p.lower, p.upper)
        for i, (m, p) in enumerate(zip(z.marginals, SPACE.parameters, strict=True))
    ]
    assert SPACE.log_density(z, theta) == pytest.approx(np.sum(each, axis=0))
