"""Laws of the preference model, its agreement with choix, and what judges' reliability buys."""

from __future__ import annotations

import math

import choix
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.stats import binomtest, kendalltau, wilcoxon

from imitative.preference import Bets, Comparisons, Odds, Preference, bradley_terry, fit_preference, reliability
from imitative.preference.answers import CARELESS, ODDS_FLOOR, Answers
from imitative.preference.evidence import prepare
from imitative.preference.fit import JudgesModel
from imitative.preference.reliability import reliabilities
from imitative.records import GRADES

Floats = NDArray[np.float64]


def grade(logits: Floats, rng: np.random.Generator, cuts: tuple[float, float] = (0.4, 1.6)) -> Floats:
    """Graded answers of a careful judge."""
    heard = logits + rng.logistic(size=len(logits))
    size = (np.abs(heard) > cuts[0]).astype(float) + (np.abs(heard) > cuts[1])
    return np.asarray(np.sign(heard) * size)


def mixed(seed: int = 0) -> tuple[Comparisons, Odds, Bets]:
    """A little of every kind of evidence, from four judges."""
    rng = np.random.default_rng(seed)
    rows, ratings, bets = rng.normal(size=(80, 6)), rng.normal(size=(15, 6)), rng.normal(size=(12, 6))
    w = rng.normal(size=6)
    heads = rng.integers(0, 4, 12)
    return (
        Comparisons(rows, grade(1.5 * rows @ w, rng), [f"judge {i % 4}" for i in range(80)]),
        Odds(ratings, ratings @ w + 0.2 * rng.normal(size=15), [f"judge {i % 2}" for i in range(15)]),
        Bets(bets, heads, bets @ w < -heads * math.log(2), ["judge 3"] * 12),
    )


FITTED = fit_preference(*mixed())


# --- laws -------------------------------------------------------------------------------------------------------------


@given(arrays(np.float64, (3, 2), elements=st.floats(-1e3, 1e3)), st.sampled_from([None, "judge 0", "a stranger"]))
def test_probabilities_sum_to_one(delta: Floats, judge: str | None) -> None:
    found = FITTED.probabilities(delta, judge)
    assert found.shape == (3, 2, len(GRADES))
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=-1), 1.0, rtol=1e-12)


@given(st.floats(-50, 50))
def test_swapping_the_sides_reverses_the_probabilities(delta: float) -> None:
    np.testing.assert_allclose(FITTED.probabilities(-delta), FITTED.probabilities(delta)[::-1], rtol=1e-9)


def test_swapping_every_comparison_changes_nothing_but_the_bias() -> None:
    comparisons, odds, bets = mixed()
    turned = fit_preference(
        Comparisons(-np.asarray(comparisons.rows), -np.asarray(comparisons.grades), comparisons.judges), odds, bets
    )
    np.testing.assert_allclose(turned.mean, FITTED.mean, atol=1e-9)
    assert turned.judges["judge 1"].bias == pytest.approx(-FITTED.judges["judge 1"].bias, abs=1e-9)


@settings(max_examples=5, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_and_the_names_of_judges_are_irrelevant(random: object) -> None:
    rng = np.random.default_rng(abs(hash(repr(random))) % 2**32)
    comparisons, odds, bets = mixed()
    order = rng.permutation(80)
    renamed = dict(zip([f"judge {i}" for i in range(4)], rng.permutation(list("wxyz")).tolist(), strict=True))
    again = fit_preference(
        Comparisons(
            np.asarray(comparisons.rows)[order],
            np.asarray(comparisons.grades)[order],
            [renamed[comparisons.judges[i]] for i in order],
        ),
        Odds(odds.rows, odds.log_ratios, [renamed[judge] for judge in odds.judges]),
        Bets(bets.rows, bets.heads, bets.less_likely, [renamed[judge] for judge in bets.judges]),
    )
    np.testing.assert_allclose(again.mean, FITTED.mean, atol=1e-8)
    assert again.log_evidence == pytest.approx(FITTED.log_evidence, abs=1e-6)
    for old, new in renamed.items():
        np.testing.assert_allclose(again.judges[new], FITTED.judges[old], atol=1e-7)


def test_fewer_rows_than_features_is_the_same_posterior_as_by_brute_force() -> None:
    rng = np.random.default_rng(3)
    rows, x = rng.normal(size=(8, 20)), rng.normal(size=(5, 20))
    mean, precision = rng.normal(size=20), rng.uniform(0.5, 2.0, 20)
    fitted = fit_preference(
        Comparisons(rows, np.sign(rng.normal(size=8))), mean=mean, precision=precision, judges_model="none"
    )
    reach = 1.0 / (1.0 + np.exp(-rows @ fitted.mean))
    covariance = np.linalg.inv(np.diag(precision) + (rows.T * (reach * (1 - reach))) @ rows)
    np.testing.assert_allclose(fitted.sd(x), np.sqrt(np.diag(x @ covariance @ x.T)), rtol=1e-9)
    draws = fitted.sample(20_000, np.random.default_rng(0)) @ x.T
    np.testing.assert_allclose(draws.mean(axis=0), x @ fitted.mean, atol=0.15)
    np.testing.assert_allclose(draws.std(axis=0), fitted.sd(x), rtol=0.03)


def test_log_evidence_of_odds_alone_is_the_gaussian_one() -> None:
    rng = np.random.default_rng(5)
    rows, said = rng.normal(size=(6, 4)), rng.normal(size=6)
    fitted = fit_preference(odds=Odds(rows, said), precision=2.0, judges_model="none")
    covariance = rows @ rows.T / 2.0 + fitted.odds_sd**2 * np.eye(6)
    exact = -0.5 * (said @ np.linalg.solve(covariance, said) + np.linalg.slogdet(2 * math.pi * covariance)[1])
    assert fitted.log_evidence == pytest.approx(exact, abs=1e-8)


def test_sd_shrinks_with_data() -> None:
    rng = np.random.default_rng(1)
    rows, w, x = rng.normal(size=(400, 5)), rng.normal(size=5), rng.normal(size=(10, 5))
    said = grade(rows @ w, rng)
    spreads = [
        fit_preference(Comparisons(rows[:size], said[:size]), judges_model="none").sd(x) for size in (10, 50, 400)
    ]
    assert (spreads[0] > spreads[1]).all()
    assert (spreads[1] > spreads[2]).all()


# --- Bradley and Terry, ties ------------------------------------------------------------------------------------------


def table(seed: int, items: int = 12, size: int = 200) -> list[tuple[int, int]]:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=items)
    pairs = [rng.choice(items, 2, replace=False).tolist() for _ in range(size)]
    return [(a, b) if rng.logistic() < scores[a] - scores[b] else (b, a) for a, b in pairs]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("alpha", [1e-3, 0.1, 1.0])
def test_untied_scores_equal_choix(seed: int, alpha: float) -> None:
    pairs = table(seed)
    # choix minimises alpha·|w|² − log P, a Gaussian prior of precision 2·alpha.
    theirs = choix.opt_pairwise(12, pairs, alpha=alpha, tol=1e-12)
    np.testing.assert_allclose(
        bradley_terry(pairs, range(12), precision=2 * alpha).scores, theirs - theirs.mean(), atol=1e-6
    )


@pytest.mark.parametrize("seed", range(4))
def test_the_unregularised_limit_equals_spectral_ranking(seed: int) -> None:
    pairs = table(seed, size=600)  # enough that every item both wins and loses
    theirs = choix.ilsr_pairwise(12, pairs, tol=1e-12, max_iter=10_000)
    np.testing.assert_allclose(
        bradley_terry(pairs, range(12), precision=1e-9).scores, theirs - theirs.mean(), atol=1e-6
    )


def test_much_alone_is_plain_bradley_terry_too() -> None:
    rows = np.random.default_rng(0).normal(size=(40, 3))
    said = np.sign(rows @ [1.0, -1.0, 0.5] + np.random.default_rng(1).logistic(size=40))
    mild, much = (fit_preference(Comparisons(rows, size * said), judges_model="none") for size in (1, 2))
    np.testing.assert_array_equal(mild.mean, much.mean)
    np.testing.assert_allclose(mild.probabilities(0.7)[[1, 3]], much.probabilities(0.7)[[0, 4]])
    assert mild.probabilities(0.7)[[0, 2, 4]].tolist() == [0.0, 0.0, 0.0]


def test_cuts_are_recovered() -> None:
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(3000, 4))
    fitted = fit_preference(Comparisons(rows, grade(rows @ [1.0, 2.0, -1.0, 0.5], rng)), judges_model="none")
    np.testing.assert_allclose(fitted.cuts, (-1.6, -0.4, 0.4, 1.6), atol=0.1)
    np.testing.assert_allclose(fitted.mean, [1.0, 2.0, -1.0, 0.5], atol=0.2)


def test_a_tie_is_an_answer_and_a_skip_is_not() -> None:
    wins = [("a", "b")] * 6 + [("b", "a")] * 2
    alone, with_ties = bradley_terry(wins, precision=0.1), bradley_terry(wins, ties=[("a", "b")] * 8, precision=0.1)
    assert alone.preference.probabilities(0.0)[2] == 0.0
    assert with_ties.preference.probabilities(0.0)[2] > 0.3
    assert with_ties.sd[0] < alone.sd[0]
    with pytest.raises(ValueError, match="leave out answers"):
        fit_preference(Comparisons([[1.0], [1.0]], [1.0, math.nan]))


# --- judges -----------------------------------------------------------------------------------------------------------


def crowd(seed: int, lazy: str) -> tuple[float, float, Preference]:
    """Kendall's τ with the truth, without and with a model of the judges, where a third of the judges are lazy."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=15) * 1.5
    rows, judges = [], []
    for i in range(180):
        first, second = rng.choice(15, 2, replace=False)
        rows.append(np.eye(15)[first] - np.eye(15)[second])
        judges.append(f"judge {i % 9}")
    design = np.array(rows)
    said = np.where(design @ scores + rng.logistic(size=180) > 0, 1, -1)
    idle = np.arange(180) % 9 < 3
    said = np.where(idle, 1 if lazy == "left" else rng.choice([-1, 1], 180), said)
    plain = fit_preference(Comparisons(design, said), judges_model="none")
    aware = fit_preference(Comparisons(design, said, judges))
    return float(kendalltau(plain.mean, scores)[0]), float(kendalltau(aware.mean, scores)[0]), aware


@pytest.mark.parametrize("lazy", ["careless", "left"])
def test_lazy_judges_are_weighted_down_and_the_ranking_improves(lazy: str) -> None:
    plain, aware, fitted = zip(*(crowd(seed, lazy) for seed in range(30)), strict=True)
    assert wilcoxon(aware, plain, alternative="greater").pvalue < 0.01
    useful = [
        [judge.discrimination * (1 - judge.carelessness) for judge in (one.judges[f"judge {j}"] for j in range(9))]
        for one in fitted
    ]
    assert np.mean(useful, axis=0)[:3].max() < 0.6 * np.mean(useful, axis=0)[3:].min()
    if lazy == "left":
        biases = np.mean([[one.judges[f"judge {j}"].bias for j in range(9)] for one in fitted], axis=0)
        assert biases[:3].min() > 0.7 > 0.3 > np.abs(biases[3:]).max()


def test_a_judge_of_few_answers_is_taken_for_the_population() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(201, 4))
    said = np.sign(rows @ [1.0, -1.0, 2.0, 0.0] + rng.logistic(size=201))
    fitted = fit_preference(Comparisons(rows, said, [f"judge {i % 4}" for i in range(200)] + ["newcomer"]))
    newcomer = fitted.judges["newcomer"]
    assert newcomer.answers == 1
    assert newcomer.bias == 0.0
    assert newcomer.discrimination == pytest.approx(1.0, abs=0.3)
    assert newcomer.carelessness == pytest.approx(0.05, abs=0.05)
    np.testing.assert_array_equal(fitted.probabilities(0.3, "nobody"), fitted.probabilities(0.3))


# --- the scale in nats ------------------------------------------------------------------------------------------------


def test_scale_is_within_its_interval() -> None:
    covered, estimates = 0, []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        rows, ratings, w = rng.normal(size=(150, 8)), rng.normal(size=(25, 8)), rng.normal(size=8)
        fitted = fit_preference(
            Comparisons(rows, grade(2.0 * rows @ w, rng)), Odds(ratings, ratings @ w + 0.5 * rng.normal(size=25))
        )
        assert fitted.scale.identified
        covered += fitted.scale.low <= 0.5 <= fitted.scale.high
        estimates.append(fitted.scale.nats_per_unit)
    assert binomtest(covered, 60, 0.95).pvalue > 0.01
    assert float(np.exp(np.mean(np.log(estimates)))) == pytest.approx(0.5, rel=0.1)


def test_scale_is_not_inflated_where_features_outnumber_answers() -> None:
    logs = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        w = rng.normal(size=150)
        rows, ratings = rng.normal(size=(120, 150)) / 6, rng.normal(size=(40, 150)) / 6
        said = np.where(rows @ w + rng.logistic(size=120) > 0, 1, -1)
        odds = Odds(ratings, ratings @ w + 0.3 * rng.normal(size=40))
        logs.append(math.log(fit_preference(Comparisons(rows, said), odds, judges_model="none").scale.nats_per_unit))
    assert abs(np.mean(logs)) < 0.35


def test_without_odds_or_bets_nothing_fixes_the_scale() -> None:
    scale = fit_preference(mixed()[0]).scale
    assert scale == (1.0, 0.0, math.inf, False)


def test_exact_odds_reproduce_the_scores() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=20) * 5
    rows = np.concatenate([np.eye(20)[1:] - np.eye(20)[0], np.eye(20)[2:] - np.eye(20)[1]])
    fitted = fit_preference(odds=Odds(rows, rows @ scores), exact=True, precision=1e-2)
    np.testing.assert_allclose(fitted.mean - fitted.mean[0], scores - scores[0], atol=1e-9)


def test_odds_sd_is_recovered() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 5))
    fitted = fit_preference(odds=Odds(rows, rows @ np.arange(5.0) + 0.4 * rng.normal(size=300)))
    assert fitted.odds_sd == pytest.approx(0.4, rel=0.15)


def test_wild_odds_of_a_careless_judge_are_weighted_down() -> None:
    rng = np.random.default_rng(0)
    rows, w = rng.normal(size=(90, 5)), np.array([1.0, -2.0, 0.0, 1.0, 0.5])
    said = rows @ w + 0.2 * rng.normal(size=90)
    said[::3] = rng.uniform(-8, 8, 30)
    judges = ["wild" if i % 3 == 0 else "sober" for i in range(90)]
    fitted = fit_preference(odds=Odds(rows, said, judges))
    assert fitted.judges["wild"].carelessness > 0.5 > 0.1 > fitted.judges["sober"].carelessness
    np.testing.assert_allclose(fitted.mean, w, atol=0.15)


def test_bets_find_the_constant_that_differences_do_not_see() -> None:
    rng = np.random.default_rng(0)
    features = np.column_stack([rng.normal(size=(300, 2)), np.ones(300)])
    w = np.array([1.0, -0.5, -3.0])
    first, second = rng.integers(0, 300, (2, 200))
    rows = features[first] - features[second]
    comparisons = Comparisons(rows, np.where(rows @ w + rng.logistic(size=200) > 0, 1, -1))
    heads = rng.integers(0, 10, 300)
    yes = -heads * math.log(2) - features @ w + rng.logistic(size=300) > 0
    fitted = fit_preference(comparisons, bets=Bets(features, heads, yes), precision=0.1)
    blind = fit_preference(comparisons, precision=0.1)
    assert blind.mean[2] == 0.0
    assert fitted.mean[2] == pytest.approx(-3.0, abs=3 * float(fitted.sd([[0.0, 0.0, 1.0]])[0]))
    assert fitted.mean[2] == pytest.approx(-3.0, abs=0.6)
    assert fitted.scale.low < 1.0 < fitted.scale.high


def test_offsets_are_taken_off_before_anything_is_learned() -> None:
    rng = np.random.default_rng(0)
    rows, known = rng.normal(size=(50, 3)), rng.normal(size=50)
    fitted = fit_preference(odds=Odds(rows, rows @ [1.0, 2.0, 3.0] + known, offsets=known), exact=True)
    np.testing.assert_allclose(fitted.mean, [1.0, 2.0, 3.0], atol=1e-9)


# --- bad input --------------------------------------------------------------------------------------------------------

ONE = [[1.0, 0.0]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "are all empty; give"),
        ({"comparisons": Comparisons(np.empty((0, 2)), [])}, "are all empty; give"),
        ({"comparisons": Comparisons([1.0, 2.0], [1, 1])}, r"comparisons.rows has shape \(2,\); give a matrix"),
        ({"comparisons": Comparisons([[math.nan, 1.0]], [1])}, r"comparisons.rows\[0, 0\] is nan; replace"),
        ({"comparisons": Comparisons(ONE, [1, 1])}, "comparisons.grades has shape"),
        ({"comparisons": Comparisons(ONE, [3])}, "comparisons.grades holds 3; a grade is one of"),
        ({"comparisons": Comparisons(ONE, [1], ["a", "b"])}, "comparisons.judges has 2 names for 1 rows"),
        ({"comparisons": Comparisons(ONE, [1], offsets=[math.inf])}, r"comparisons.offsets\[0\] is not finite"),
        ({"odds": Odds(ONE, [math.inf])}, r"odds.log_ratios\[0\] is not finite"),
        (
            {"odds": Odds(ONE, [1.0]), "bets": Bets([[1.0]], [1], [True])},
            r"bets.rows has shape \(1, 1\); give a matrix",
        ),
        ({"odds": Odds(ONE, [1.0]), "precision": 0.0}, r"precision\[0\] is not positive"),
        ({"odds": Odds(ONE, [1.0]), "precision": [1.0]}, "precision has shape"),
        ({"odds": Odds(ONE, [1.0]), "mean": [1.0]}, "mean has shape"),
    ],
)
def test_bad_input_is_named_with_its_remedy(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_preference(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("pairs", [[], [("a", "a")], [("a", "z")]])
def test_bad_pairs_are_refused(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(ValueError, match=r"pairs|empty"):
        bradley_terry(pairs, ["a", "b"])


@pytest.mark.parametrize("judges_model", ["each", "none"])
@pytest.mark.parametrize("said", [[0, 0, 0], [2, 2, 2], [1, 2, 0], [1, 1, 1]])
def test_one_sided_answers_give_finite_scores(said: list[int], judges_model: str) -> None:
    fitted = fit_preference(Comparisons([[1.0]] * 3, said), precision=1e-6, judges_model=judges_model)  # type: ignore[arg-type]
    assert np.isfinite(fitted.mean).all()
    assert np.isfinite(fitted.sd([[1.0]])).all()
    np.testing.assert_allclose(fitted.probabilities([0.0, 3.0]).sum(axis=-1), 1.0)


def test_rows_with_a_direction_of_their_own_are_told_apart_and_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    compared, odds, bets = mixed()
    wide = [np.hstack([np.asarray(said.rows), np.zeros((len(np.asarray(said.rows)), 25))]) for said in (compared, odds)]
    wide[0][np.arange(10), 6 + np.arange(10)] = wide[1][np.arange(15), 16 + np.arange(15)] = 1.0
    evidence = (
        Comparisons(wide[0], compared.grades, compared.judges),
        Odds(wide[1], odds.log_ratios, odds.judges),
        Bets(np.hstack([np.asarray(bets.rows), np.zeros((12, 25))]), bets.heads, bets.less_likely, bets.judges),
    )
    asked = rng.normal(size=(7, 31))
    together = fit_preference(*evidence, precision=0.7)
    monkeypatch.setattr("imitative.preference.evidence.MANY_ALONE", 1)
    apart = fit_preference(*evidence, precision=0.7)
    assert len(apart._factor.own) > 0
    np.testing.assert_allclose(apart.mean, together.mean, atol=1e-6)
    np.testing.assert_allclose(apart.sd(asked), together.sd(asked), atol=1e-6)
    assert apart.log_evidence == pytest.approx(together.log_evidence, abs=1e-6)
    assert apart.odds_sd == pytest.approx(together.odds_sd, abs=1e-6)
    drawn = apart.sample(20_000, np.random.default_rng(1)) @ asked.T
    others = together.sample(20_000, np.random.default_rng(2)) @ asked.T
    np.testing.assert_allclose(drawn.std(axis=0), others.std(axis=0), rtol=0.03)


# --- the end of the scale, and slips ----------------------------------------------------------------------------------


def test_a_mark_at_the_end_of_the_scale_says_at_least_so_much() -> None:
    rng = np.random.default_rng(0)
    rows, w = rng.normal(size=(200, 4)), np.array([3.0, -2.0, 1.0, 0.0])
    said = np.clip(rows @ w + 0.5 * rng.normal(size=200), -2.0, 2.0)
    read = fit_preference(odds=Odds(rows, said, most=2.0), precision=0.1)
    misread = fit_preference(odds=Odds(rows, said), precision=0.1)
    np.testing.assert_allclose(read.mean, w, atol=0.25)
    assert read.odds_sd == pytest.approx(0.5, rel=0.25)
    assert np.abs(misread.mean - w).max() > 0.8


def test_a_scale_that_nobody_reached_the_end_of_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 3))
    said = rows @ [1.0, 0.0, -1.0] + 0.3 * rng.normal(size=40)
    np.testing.assert_array_equal(
        fit_preference(odds=Odds(rows, said, most=50.0)).mean, fit_preference(odds=Odds(rows, said)).mean
    )


def test_the_slopes_of_marked_odds_are_its_differences() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(30, 3))
    answers = Answers(
        prepare(None, Odds(rows, np.clip(rows[:, 0] * 3.0, -2.0, 2.0), most=2.0), None, None, 1.0), True, False
    )
    delta, step = rng.normal(scale=3.0, size=30), 1e-5
    assert 0 < np.count_nonzero(answers.end) < 30
    _, slope, curve = answers.marked(delta)
    above, below = answers.marked(delta + step), answers.marked(delta - step)
    np.testing.assert_allclose(slope, (above[0] - below[0]) / (2 * step), atol=1e-6)
    np.testing.assert_allclose(curve, (above[1] - below[1]) / (2 * step), atol=1e-6)


def test_an_answer_nothing_contradicts_may_still_be_a_slip() -> None:
    rng = np.random.default_rng(0)
    known = rng.normal(size=(60, 2))
    said = known @ [1.0, -1.0] + 0.3 * rng.normal(size=60)
    alone = np.hstack([known, np.zeros((60, 1))])
    once = np.vstack([alone, [0.0, 0.0, 1.0]])
    twice = np.vstack([once, [0.0, 0.0, 1.0]])
    heard_once = fit_preference(odds=Odds(once, [*said, 4.0]), precision=0.25)
    heard_twice = fit_preference(odds=Odds(twice, [*said, 4.0, 4.0]), precision=0.25)
    draws = [fitted.sample(20_000, np.random.default_rng(1))[:, 2] for fitted in (heard_once, heard_twice)]
    doubted = [float(np.mean(drawn < 2.0)) for drawn in draws]
    # One answer may be left out, and then the prior is all there is; that both are slips is a hundred times rarer.
    assert 0.01 < doubted[0] < 0.2
    assert doubted[1] < doubted[0] / 5


def test_the_mean_does_not_rest_on_one_answer_as_on_two() -> None:
    """What the answer is believed less by alone is the share of the draws that leave it out."""
    once, twice = (
        fit_preference(odds=Odds(np.eye(4)[[0, 0, 0, 1, 1, 1, *[3] * n]], [*[1.0, 1.1, 0.9] * 2, *[4.0] * n]))
        for n in (1, 2)
    )
    assert 0.5 < once.mean[3] < twice.mean[3] < 4.0
    assert once.sd(np.eye(4))[3] > 2.0 * twice.sd(np.eye(4))[3]


@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_the_mean_and_the_covariance_are_those_of_the_draws(scale: float) -> None:
    """With fewer rows than features, and some that tell of one feature alone."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(30, 40)) * scale
    rows[5:9] = np.eye(40)[30:34] * 2.0
    said = np.clip(rows @ rng.normal(size=40), -7.0, 7.0)
    fitted = fit_preference(
        Comparisons(3.0 * rows[15:], np.sign(said[15:]).astype(int)), Odds(rows, said, most=7.0), precision=0.5
    )
    draws = fitted.sample(60_000, np.random.default_rng(1))
    seen = np.vstack([np.eye(40)[[0, 30, 31, 39]], rng.normal(size=(3, 40))])
    spread = fitted.covariance(seen)
    assert fitted._lapses.shift.any()
    np.testing.assert_allclose(draws.mean(axis=0), fitted.mean, atol=0.03)
    np.testing.assert_allclose(np.cov((draws @ seen.T).T), spread, atol=0.03 * spread.max())
    np.testing.assert_allclose(np.sqrt(np.diagonal(spread)), fitted.sd(seen), rtol=1e-9)


def test_leaving_an_answer_out_is_fitting_without_it() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(30, 4))
    said = rows @ [1.0, 2.0, 0.0, -1.0] + 0.3 * rng.normal(size=30)
    whole = fit_preference(odds=Odds(rows, said), exact=True, precision=1.0)
    without = fit_preference(odds=Odds(rows[1:], said[1:]), exact=True, precision=1.0)
    removal = whole._lapses
    only = np.zeros(30)
    only[0] = removal.jump[0]
    moved = whole._factor.solve(removal.design.back(only))
    np.testing.assert_allclose(whole.mean + moved, without.mean, rtol=0.05, atol=0.02)


def test_a_crowd_that_contradicts_itself_is_heard_to_the_end_and_a_fit_cut_short_says_so() -> None:
    rng = np.random.default_rng(4)
    w, rows = 0.5 * rng.normal(size=20), rng.normal(size=(450, 20))
    careless, said_then, noise = rng.random(450) < 0.4, rng.integers(-2, 3, 450), rng.normal(size=450)
    grades = np.where(careless, said_then, np.clip(np.round(rows @ w + noise), -2, 2))
    ratings = rng.normal(size=(225, 20))
    ratios = np.clip(ratings @ w + 1.5 * rng.normal(size=225), -6.0, 6.0)
    judges = [f"judge {i % 150}" for i in range(450)]
    said = Comparisons(rows, grades, judges), Odds(ratings, ratios, judges[:225])
    rested = fit_preference(*said)  # the suite takes any warning for an error
    np.testing.assert_array_equal(rested.mean, fit_preference(*said, rounds=1000).mean)
    with pytest.warns(RuntimeWarning, match="not come to rest in 5 of `rounds`"):
        short = fit_preference(*said, rounds=5)
    assert np.abs(short.mean - rested.mean).max() > 1e-3


@pytest.mark.parametrize("judges_model", ["each", "none"])
def test_whoever_calls_everything_a_tie_is_heard_to_the_end(judges_model: JudgesModel) -> None:
    """Ties alone say that differences are small, not how small: steps between them and a few bets reach too far."""
    scales = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        ties = Comparisons(rng.normal(size=(10, 4)), [0] * 10)
        bets = Bets(np.abs(rng.normal(size=(4, 4))), rng.integers(1, 15, 4), rng.random(4) < 0.5)
        fitted = fit_preference(ties, None, bets, judges_model=judges_model)  # the suite takes any warning for an error
        scales.append(fitted.scale.nats_per_unit)
    assert max(scales) / min(scales) < 20.0


def test_odds_that_agree_to_the_last_digit_rest_at_the_least_spread_there_is() -> None:
    rng = np.random.default_rng(0)
    rows, w = rng.normal(size=(400, 3)), rng.normal(size=3)
    fitted = fit_preference(None, Odds(rows, rows @ w))  # the suite takes any warning for an error
    assert fitted.odds_sd == pytest.approx(ODDS_FLOOR)
    np.testing.assert_allclose(fitted.mean, w, atol=0.02)


def test_the_interval_of_a_judges_reliability_covers_what_it_should() -> None:
    """Against how often each judge would prefer the higher of the pairs compared, by the truth they answer from."""
    covered, judges, means = 0, 0, []
    kinds = [(1.0, 0.02), (1.0, 0.3), (1.0, 0.6), (0.3, 0.02)]  # steepness, carelessness
    for seed in range(4):
        rng = np.random.default_rng(100 + seed)
        scores = rng.normal(0, 1.9, 20)
        n = 12 * 60
        pairs = np.array([rng.choice(20, 2, replace=False) for _ in range(n)])
        delta = scores[pairs[:, 0]] - scores[pairs[:, 1]]
        who = np.arange(n) % 12
        steep, error = np.array(kinds)[who % 4].T
        random = rng.random(n) < error
        said = np.where(random, rng.choice(GRADES, n), grade(steep * delta, rng)).astype(int)
        rows = np.zeros((n, 20))
        rows[np.arange(n), pairs[:, 0]], rows[np.arange(n), pairs[:, 1]] = 1.0, -1.0
        fitted = fit_preference(Comparisons(rows, said, [f"judge {j}" for j in who]), precision=1 / 1.9**2)
        found = reliabilities(fitted)
        sure = np.abs(delta)
        for j in range(12):
            slope, slips = kinds[j % 4]
            above, below = (1.0 / (1.0 + np.exp(cut - slope * sure)) for cut in (0.4, -0.4))
            truth = (1 - slips) * float((above + below).mean()) / 2.0 + slips / 2.0
            each = found[f"judge {j}"]
            assert each.low <= each.mean <= each.high
            covered, judges = covered + (each.low <= truth <= each.high), judges + 1
            means.append((truth, each.mean))
    assert covered >= 0.85 * judges, f"{covered} of {judges}"
    assert np.corrcoef(np.array(means).T)[0, 1] > 0.8


def test_before_a_judge_has_said_anything_they_are_as_careless_as_the_prior_says() -> None:
    weight = np.exp(reliability._LIKELY)
    assert weight.sum() == pytest.approx(1.0)
    assert weight @ reliability.ERRING == pytest.approx(CARELESS[0] / sum(CARELESS), rel=0.01)


def test_a_judge_who_never_judged_much_is_taken_for_the_average_one_and_widely() -> None:
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(401, 3))
    said = grade(rows @ [1.0, 2.0, -1.0], rng).astype(int)
    found = reliabilities(fit_preference(Comparisons(rows, said, ["often"] * 400 + ["once"])))
    assert found["once"].low < found["often"].low < found["often"].high
    assert found["once"].high - found["once"].low > 2.0 * (found["often"].high - found["often"].low)
    assert reliabilities(fit_preference(Comparisons(rows, said), judges_model="none")) == {}
