"""Problems that come with the package, each with a known answer: by name, a function from a seed to the problem."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from imitative.loaded import LoadedProblem
from imitative.problems import finite, huskies

BUILTIN: Final[Mapping[str, Callable[[int], LoadedProblem]]] = {"huskies": huskies.huskies, "finite": finite.finite}
