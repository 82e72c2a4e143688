"""Preference mathematics: Bradley–Terry with ties, graded answers, judges' reliability, and the scale in nats.

One linear score in nats, s(a) = features(a)·w + offset, is fitted to three kinds of evidence at once: graded
comparisons, odds, and reference bets. Every judge has a discrimination, a carelessness and a bias of their own.
"""

from imitative.preference.evidence import Bets, Comparisons, Odds
from imitative.preference.fit import Judge, Preference, Scale, Scored, bradley_terry, fit_preference

__all__ = [
    "Bets",
    "Comparisons",
    "Judge",
    "Odds",
    "Preference",
    "Scale",
    "Scored",
    "bradley_terry",
    "fit_preference",
]
