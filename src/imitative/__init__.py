"""Imitative generalisation: learn, from labelled data and people's judgements, a hypothesis that people can read.

These are the public names. Each loads its module when it is first used, so `import imitative` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imitative.config import load_problem as load_problem
    from imitative.data import Feature as Feature
    from imitative.data import FeatureKind as FeatureKind
    from imitative.data import Labelled as Labelled
    from imitative.data import Table as Table
    from imitative.describing import describe as describe
    from imitative.encoders import sentence_encoder as sentence_encoder
    from imitative.errors import InputError as InputError
    from imitative.evaluation import evaluate as evaluate
    from imitative.hypotheses.conditions import Condition as Condition
    from imitative.hypotheses.conditions import Relation as Relation
    from imitative.hypotheses.statements import Hypothesis as Hypothesis
    from imitative.hypotheses.statements import Limits as Limits
    from imitative.hypotheses.statements import Statement as Statement
    from imitative.hypotheses.statements import StatementSpace as StatementSpace
    from imitative.hypotheses.statements import Strength as Strength
    from imitative.induction import Induced as Induced
    from imitative.induction import Progress as Progress
    from imitative.induction import ainduce as ainduce
    from imitative.induction import induce as induce
    from imitative.labelling import Transferred as Transferred
    from imitative.labelling import atransfer as atransfer
    from imitative.labelling import transfer as transfer
    from imitative.labels import label_file as label_file
    from imitative.labels import load_model as load_model
    from imitative.loaded import LoadedProblem as LoadedProblem
    from imitative.overseers.language_model import LanguageModel as LanguageModel
    from imitative.overseers.mixed import Mixed as Mixed
    from imitative.overseers.overseer import Overseer as Overseer
    from imitative.overseers.recorded import Recorded as Recorded
    from imitative.overseers.simulated import Simulated as Simulated
    from imitative.problem import Problem as Problem
    from imitative.problem import Truth as Truth
    from imitative.records import Answer as Answer
    from imitative.records import Example as Example
    from imitative.records import Judgement as Judgement
    from imitative.records import Kind as Kind
    from imitative.records import Outcome as Outcome
    from imitative.records import Query as Query
    from imitative.running import run_problem as run_problem
    from imitative.running import write_report as write_report
    from imitative.settings import Settings as Settings
    from imitative.store.runs import read_result as read_result
    from imitative.texts.induction import induce_text as induce_text
    from imitative.texts.labelling import transfer_text as transfer_text
    from imitative.texts.problem import TextProblem as TextProblem

__version__ = "0.1.0"

_HOME = {
    "config": "load_problem",
    "data": "Feature FeatureKind Labelled Table",
    "describing": "describe",
    "encoders": "sentence_encoder",
    "errors": "InputError",
    "evaluation": "evaluate",
    "hypotheses.conditions": "Condition Relation",
    "hypotheses.statements": "Hypothesis Limits Statement StatementSpace Strength",
    "induction": "Induced Progress ainduce induce",
    "labels": "label_file load_model",
    "loaded": "LoadedProblem",
    "overseers.language_model": "LanguageModel",
    "overseers.mixed": "Mixed",
    "overseers.overseer": "Overseer",
    "overseers.recorded": "Recorded",
    "overseers.simulated": "Simulated",
    "problem": "Problem Truth",
    "records": "Answer Example Judgement Kind Outcome Query",
    "running": "run_problem write_report",
    "settings": "Settings",
    "store.runs": "read_result",
    "labelling": "Transferred atransfer transfer",
    "texts.induction": "induce_text",
    "texts.labelling": "transfer_text",
    "texts.problem": "TextProblem",
}
_MODULES = {name: module for module, names in _HOME.items() for name in names.split()}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> object:
    """Load a public name's module (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value  # the next use finds it without coming here
    return value


def __dir__() -> list[str]:
    """The public names, loaded or not."""
    return sorted({*globals(), *__all__})
