"""Which families there are. A name in problem.toml → the function that builds the model."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from imitative.errors import InputError, did_you_mean, listed, shown
from imitative.families.family import Family

FAMILIES = {
    "linear": "regression:linear",
    "generalised-linear": "regression:generalised",
    "hierarchical-normal": "regression:hierarchical",
    "ar": "series:autoregression",
    "arma": "series:arma",
    "garch": "series:garch",
    "structural": "series:structural",
    "mixture": "latent:mixture",
    "hidden-markov": "latent:hidden_markov",
    "gaussian-process": "latent:gaussian_process",
    "ode": "dynamics:differential",
    "renewal": "dynamics:renewal",
    "growth": "growth:growth",
}
"""Name in problem.toml → `file:function` in this folder."""


def family(name: str) -> Family:
    """The family of a name.

    Raises:
        InputError: for a name that is none.
    """
    if name not in FAMILIES:
        raise InputError("model.family", shown(name), f"one of {listed(FAMILIES, 20)}", did_you_mean(name, FAMILIES))
    file, function = FAMILIES[name].split(":")
    return cast(Family, getattr(import_module(f"imitative.families.{file}"), function))
