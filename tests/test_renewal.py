"""The renewal-equation epidemic: its options change what they say they change, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from imitative.errors import InputError
from imitative.families.dynamics import renewal
from imitative.families.family import Built, Observed, Options

pytest.importorskip("numpyro")

DAYS, KNOWN = 50, 40
LAST = np.array([40.0, 33.0])


def built(**options: Any) -> Built:
    deaths = np.where(np.arange(KNOWN)[:, None] < LAST, np.round(np.exp(0.08 * np.arange(KNOWN)))[:, None], np.nan)
    serial = np.r_[np.full(10, 0.1), np.zeros(DAYS - 10)]
    arrays = {
        "infection_to_death": np.full((DAYS, 2), 0.001), "serial_interval": serial, "last": LAST,
        "interventions": (np.arange(DAYS)[None, :, None] >= np.array([20, 25])).astype(float) * np.ones((2, 1, 1)),
    }  # fmt: skip
    data = Observed(deaths, groups=("a", "b"), arrays=arrays)
    return renewal(data, Options({"interventions": ["schools", "lockdown"], **options}), {})


def sites(model: Built, values: dict[str, Any], horizon: int = 0) -> dict[str, Any]:
    from numpyro import handlers

    fixed = handlers.seed(handlers.substitute(model.model, data=values), 0)
    return dict(handlers.trace(fixed).get_trace(horizon=horizon))


def told(model: Built, values: dict[str, Any]) -> float:
    """The likelihood's logarithm where every latent number is as `values` says, or as seed 0 has it."""
    return float(sites(model, values)["deaths"]["fn"].log_factor)


@pytest.mark.slow
def test_without_wandering_transmission_is_the_same_as_where_it_cannot_wander() -> None:
    still, moving = built(), built(wanders=True)
    known = {n: s["value"] for n, s in sites(still, {}).items() if s["type"] == "sample" and not s["is_observed"]}
    assert told(moving, {**known, "the wandering": 0.0}) == pytest.approx(told(still, known), abs=1e-6)
    assert told(moving, {**known, "the wandering": 0.3}) != pytest.approx(told(still, known), abs=1e-3)


@pytest.mark.slow
def test_one_that_responds_is_a_list_of_one() -> None:
    one, many, every = built(responds="lockdown"), built(responds=["lockdown"]), built(responds=["schools", "lockdown"])
    assert [p.parameter for p in one.parameters] == [p.parameter for p in many.parameters]
    assert sites(one, {})["own response"]["value"].shape == (2, 1)
    assert sites(every, {})["own response"]["value"].shape == (2, 2)


@pytest.mark.slow
def test_it_looks_ahead_from_each_country_s_own_last_day() -> None:
    found = np.asarray(sites(built(wanders=True), {}, horizon=7)["forecast"]["value"])
    assert found.shape == (7, 2)
    assert (found >= 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"responds": ["lockdown", "masks"]}, "masks"),
        ({"wanders": "yes"}, "true or false"),
        ({"interventions": ["one"]}, "1 names"),
    ],
)
def test_what_is_wrong_with_its_options_is_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        built(**options)
