"""The shape of a problem.toml with `[space] kind = "belief"`: a model, a series or table, and what is believed of it.

docs/beliefs.md describes every key.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from imitative.problem_file import Amount, FileSection, Line, PeopleSection, ProblemSection, read_toml, validated


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class BeliefSpaceSection(_Section):
    """[space] of a belief."""

    kind: Literal["belief"]


class ModelSection(_Section):
    """[model]: a built-in family and its options, or a function of the user's own beside the problem file."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, allow_inf_nan=False)

    family: str | None = None
    function: str | None = None
    unit: str = ""

    @property
    def options(self) -> dict[str, Any]:
        """The family's own keys."""
        return dict(self.__pydantic_extra__ or {})


class PastSection(FileSection):
    """[labelled]: D. A table with a row for every step or example, or an object of arrays."""

    value: str | list[str] = "value"
    date: str | None = None
    group: str | None = None
    until: str | None = None
    explained_by: list[str] = Field(default_factory=list)
    arrays: dict[str, str] = Field(default_factory=dict)


class FutureSection(_Section):
    """[unlabelled]: D′. How many steps ahead, or other rows of the same columns."""

    horizon: Annotated[int, Field(ge=0, le=1000)] = 0
    weighed: bool = False
    file: str | None = None
    where: dict[str, Any] = {}


class ParameterSection(_Section):
    """[parameters.NAME]: a unit, a sentence, and what is believed beforehand."""

    unit: str = ""
    sentence: Line | None = None
    prior: Line | None = None
    lower: float | None = None
    upper: float | None = None


class SearchSection(_Section):
    """[search]: how the posterior is found."""

    sampler: Literal["auto", "importance", "nuts"] = "auto"
    yardstick: bool = False
    warmup: Annotated[int, Field(ge=50, le=20_000)] = 300
    draws: Annotated[int, Field(ge=100, le=50_000)] = 1000
    unidentified: Literal["refuse", "keep"] = "refuse"


class BelieverSection(_Section):
    """[overseer]: whose prior it is. A simulated person believes something and judges by it."""

    kind: Literal["simulated"]
    believes: list[Line]
    noise: Amount = 0.3
    exact: bool = False
    cost: Amount = 0.0
    seconds: Amount = 20.0


class BeliefFile(_Section):
    """problem.toml, of a belief."""

    problem: ProblemSection
    space: BeliefSpaceSection
    model: ModelSection
    labelled: PastSection
    unlabelled: FutureSection = FutureSection()
    parameters: dict[str, ParameterSection] = {}
    search: SearchSection = SearchSection()
    overseer: Annotated[BelieverSection | PeopleSection, Field(discriminator="kind")] | None = None


def is_belief(raw: dict[str, Any]) -> bool:
    """Whether a file's `[space]` is one of beliefs."""
    space = raw.get("space")
    return isinstance(space, dict) and space.get("kind") == "belief"


def belief_file(problem: str | os.PathLike[str]) -> Path | None:
    """The problem file, if `problem` names one of a belief; None for any other problem."""
    path = Path(problem)
    try:
        if path.is_dir() and (path / "problem.toml").exists():
            path = path / "problem.toml"
        if not path.is_file() or path.suffix != ".toml":
            return None
    except (OSError, ValueError):
        return None
    return path if is_belief(read_toml(path)) else None


def read_belief_file(raw: dict[str, Any], path: Path) -> BeliefFile:
    """Validate one file.

    Raises:
        InputError: naming the file, the key, what was found and what was expected.
    """
    return validated(BeliefFile, raw, path)
