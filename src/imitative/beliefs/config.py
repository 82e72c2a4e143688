"""problem.toml with `[space] kind = "belief"` → a `BeliefProblem`."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from imitative.beliefs.choosing import Chooser
from imitative.beliefs.consequences import Across, Consequences
from imitative.beliefs.induction import BeliefProblem, BeliefSearch, fingerprint
from imitative.beliefs.presenting import checks, presenter
from imitative.beliefs.problem_file import BeliefFile, BelieverSection, read_belief_file
from imitative.beliefs.reading import ROW, Read, read_arrays, read_examples, read_series, with_groups
from imitative.errors import InputError, listed, shown
from imitative.families.family import Built, Observed, Options, Spoken, priors_of
from imitative.families.registry import family
from imitative.hypotheses.belief import BeliefSpace, Parameter
from imitative.overseer_config import people
from imitative.overseers.overseer import Overseer
from imitative.problem_file import PeopleSection, read_toml
from imitative.problem_source import table_of
from imitative.search.target import load_jax

IN_TIME = ("ar", "arma", "garch", "structural", "hidden-markov", "ode", "renewal", "growth")
"""Families whose rows are steps in time: their D′ is so many steps ahead."""
UNEXPLAINED = ("hierarchical-normal",)
"""Families of examples whose D′ needs no columns, whatever D has: a new group's θ is forecast, not what is measured."""


def load_belief(
    path: Path, data: Path | None = None, *, seed: int | None = None, horizon: int | None = None, named: bool = True
) -> BeliefProblem:
    """Load a problem of beliefs.

    Args:
        path: of problem.toml.
        data: the folder of `data:` paths, before $IMITATIVE_DATA.
        seed: instead of the file's own.
        horizon: instead of the file's own.
        named: whether whoever runs this named the file. Where only a run's folder did, no code of its own is run.

    Raises:
        InputError: one line naming the place, what was found, what was expected and what to do.
    """
    load_jax()
    file = read_belief_file(read_toml(path), path)
    if file.model.function is not None and not named:
        found = f"code of the problem's own, {shown(file.model.function)}, which a run's folder may not have run"
        raise InputError(f"{path}: model.function", found, "a problem named by you", f"read it; add --problem {path}")
    ahead = file.unlabelled.horizon if horizon is None else horizon
    read = _read(file, path, data, ahead, "horizon" if horizon is not None else f"{path}: unlabelled.horizon")
    said = {name: _said(name, section) for name, section in file.parameters.items()}
    built, note = _built(file, path, read, said)
    priors_of(built.parameters)  # a prior that cannot be read is said now, not in the middle of a run
    search = file.search
    problem = BeliefProblem(
        name=file.problem.name,
        question=file.problem.question,
        built=built,
        y=read.observed.y,
        labels=read.labels,
        ahead=read.ahead,
        groups=read.observed.groups or ("",),
        unit=read.observed.unit,
        truth=read.truth,
        fingerprint=fingerprint(
            [file.model.family, file.model.function, file.model.options, [_plain(each) for each in built.parameters],
             _whose(file.overseer), ahead,
             *(["weighed"] if file.unlabelled.weighed else [])],
            [read.observed.y, read.observed.x, read.observed.x_new, *read.observed.arrays.values()],
        ),
        across=_across(read),
        budget=file.problem.budget,
        search=BeliefSearch(
            search.sampler, search.yardstick, search.warmup, search.draws, search.unidentified == "keep"
        ),
        weighed=_weighed(file, path, read) if file.unlabelled.weighed else None,
        seed=file.problem.seed if seed is None else seed,
        notes=(*read.notes, *note),
        source=str(path),
    )  # fmt: skip
    if file.overseer is None:
        return problem
    return replace(problem, build_overseer=_overseer(file.overseer, problem, path))


def _plain(each: Spoken) -> list[Any]:
    return [str(part) for part in asdict(each.parameter).values()] + [each.prior]


def _said(name: str, section: Any) -> Spoken:
    lower = -math.inf if section.lower is None else float(section.lower)
    upper = math.inf if section.upper is None else float(section.upper)
    if not lower < upper:
        raise InputError(f"parameters.{name}", f"lower {lower:g} and upper {upper:g}", "the lower end first")
    return Spoken(Parameter(name, section.unit, section.sentence or "", lower, upper), section.prior or "")


# -- data --------------------------------------------------------------------------------------------------------------


def _read(file: BeliefFile, path: Path, data: Path | None, horizon: int, place: str) -> Read:
    past = file.labelled
    source = table_of(past, path, data, "labelled")
    other = None
    if file.unlabelled.file is not None:
        kept = past.model_copy(update={"file": file.unlabelled.file, "where": file.unlabelled.where})
        other = table_of(kept, path, data, "unlabelled")
    unit = file.model.unit
    in_rows = past.explained_by or (file.model.family not in IN_TIME and file.model.function is None)
    examples = past.date is None and bool(in_rows)
    _check_heard(file, path, "arrays" if past.arrays else "examples" if examples else "series")
    if past.arrays:
        read = read_arrays(source.path, past.arrays, horizon, unit, None if other is None else other.path)
        groups = file.model.options.get("groups")
        return read if groups is None else with_groups(read, [str(g) for g in groups])
    if examples:
        anew = _anew(file, horizon, place)
        return read_examples(source, other, value=_one(past.value), columns=past.explained_by, unit=unit, anew=anew)
    if isinstance(past.value, list):
        parts = [
            read_series(source, value=v, day=past.date, group=None, until=past.until, horizon=horizon, unit=unit)
            for v in past.value
        ]
        y = np.stack([part.observed.y for part in parts], axis=1)
        known = [part.truth for part in parts]
        truth = None if any(t is None for t in known) else np.stack([t for t in known if t is not None], axis=1)
        observed = Observed(y, groups=tuple(past.value), unit=unit, step=parts[0].observed.step)
        return Read(observed, truth, parts[0].labels, parts[0].ahead, parts[0].notes)
    return read_series(
        source, value=past.value, day=past.date, group=past.group, until=past.until, horizon=horizon, unit=unit
    )


def _check_heard(file: BeliefFile, path: Path, kind: Literal["arrays", "examples", "series"]) -> None:
    """What is said of D and D′ is heard, or told of.

    Raises:
        InputError: for a key that says nothing of this kind of data.
    """
    past, later = file.labelled, file.unlabelled
    timed = file.model.family if file.model.family in IN_TIME else None
    where, beside = f"{path}: labelled.", {"arrays": "`arrays`", "examples": "no `date`", "series": "`date`"}[kind]
    if past.explained_by and (kind == "arrays" or past.date is not None or timed is not None):
        of = f"the family {timed}" if timed is not None else beside
        remedy = "leave it out" + (", or `date`, where the rows are examples" if timed is None and past.date else "")
        raise InputError(
            f"{where}explained_by", f"{listed(past.explained_by)} with {of}", "a table of examples", remedy
        )
    if later.file is not None and kind == "series":
        remedy = "give `horizon`; put the rows that follow into the file of [labelled] and end D with `until`"
        raise InputError(f"{path}: unlabelled.file", shown(later.file), "none: D′ is the steps after D", remedy)
    if later.where and later.file is None:
        raise InputError(
            f"{path}: unlabelled.where", "no file", "the file whose rows are meant", "name it, or leave it out"
        )
    for key in {"arrays": ("date", "group", "until"), "examples": ("group", "until"), "series": ()}[kind]:
        if (found := getattr(past, key)) is not None:
            raise InputError(f"{where}{key}", f"{shown(found)} with {beside}", "a series in time", "leave it out")
    if past.group is not None and not isinstance(past.value, str):
        found, remedy = f"{shown(past.group)} with several columns of values", "leave it out, or name one column"
        raise InputError(f"{where}group", found, "one column of values", remedy)


def _anew(file: BeliefFile, horizon: int, place: str) -> int:
    """How many rows of D′ are drawn anew: the horizon, for tables whose rows need no columns and are in no file.

    Raises:
        InputError: for a horizon where D′ is the rows of a file, or would have to be.
    """
    columns, rows = file.labelled.explained_by, file.unlabelled.file
    if horizon and rows is not None:
        raise InputError(place, str(horizon), f"none: what is forecast is the rows of {rows}", "leave it out")
    if horizon and columns and file.model.family not in UNEXPLAINED:
        raise InputError(
            place, str(horizon), f"the rows that are to be forecast, with {listed(columns)}",
            'leave it out and name their file: [unlabelled] file = "new.csv"',
        )  # fmt: skip
    return horizon


def _one(value: str | list[str]) -> str:
    if isinstance(value, str):
        return value
    if len(value) != 1:
        raise InputError("labelled.value", shown(value), "one column")
    return value[0]


def _weighed(file: BeliefFile, path: Path, read: Read) -> Callable[[int], Chooser]:
    """Who looks ahead where several models are weighed by their past: those of `growth`."""
    if file.model.family != "growth":
        raise InputError(
            f"{path}: unlabelled.weighed",
            f"the family {file.model.family}",
            "growth",
            "leave it out: one model looks ahead",
        )
    whole = file.model.options.get("whole")
    return lambda steps: Chooser.of_growth(read.observed.groups or ("",), None if whole is None else str(whole), steps)


# -- the model ---------------------------------------------------------------------------------------------------------


def _built(file: BeliefFile, path: Path, read: Read, said: Mapping[str, Spoken]) -> tuple[Built, tuple[str, ...]]:
    model = file.model
    if (model.family is None) == (model.function is None):
        raise InputError(f"{path}: model", "both or neither", "a family, or a function of your own")
    if model.family is not None:
        options = {key: value for key, value in model.options.items() if key != "groups"}
        return family(model.family)(read.observed, Options(options, f"{path}: model"), said), ()
    function, where = own_function(model.function or "", path)
    if model.options and set(model.options) != {"groups"}:
        raise InputError(
            f"{path}: model", f"the key {next(iter(model.options))!r}", "nothing beside `function` and `unit`"
        )
    return _own(function, read.observed, said), (f"the model is code of yours, run as it stands: {where}",)


def own_function(text: str, path: Path) -> tuple[Callable[..., None], Path]:
    """`file.py:name` → the function, from a file beside problem.toml and nowhere else.

    Running a problem runs this file: it may do whatever you may do. A problem from somebody else is their program.

    Raises:
        InputError: for a path that leads elsewhere, or a file or function that is not there.
    """
    place = f"{path}: model.function"
    name, colon, function = text.partition(":")
    folder = path.resolve().parent
    if not colon or not function.isidentifier() or Path(name).name != name or not name.endswith(".py"):
        raise InputError(place, shown(text), "FILE.py:FUNCTION, the file beside problem.toml")
    file = (folder / name).resolve()
    if file.parent != folder:
        raise InputError(place, shown(text), "a file in the problem's own folder, not a link to another")
    if not file.is_file():
        raise InputError(place, shown(name), "a file beside problem.toml", "check its name")
    spec = importlib.util.spec_from_file_location(f"imitative_own_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise InputError(place, shown(name), "a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's own code may fail in any way
        raise InputError(place, f"{type(error).__name__} in {name}: {error}", "a file that can be imported") from error
    found = getattr(module, function, None)
    if not callable(found):
        raise InputError(place, f"no function {function} in {name}", "one", "check its name")
    return found, file


def _own(function: Callable[..., None], observed: Observed, said: Mapping[str, Spoken]) -> Built:
    """A user's function model(data, horizon=0) as a `Built`: `data` is a dictionary of arrays."""
    data: dict[str, Any] = {"y": observed.y, "groups": observed.groups, **observed.arrays}
    if observed.x is not None:
        data["x"] = observed.x
    if observed.x_new is not None:
        data["x_new"] = observed.x_new
    priors = priors_of(tuple(said.values()))

    def model(horizon: int = 0) -> None:
        from numpyro import handlers

        class Stated(handlers.block):  # type: ignore[misc]
            """Puts the problem file's priors in place of the function's own."""

            def process_message(self, message: dict[str, Any]) -> None:
                if message["type"] == "sample" and message["name"] in priors and not message["is_observed"]:
                    message["fn"] = priors[message["name"]]

        with Stated(hide_fn=lambda _: False):
            function(data, horizon=horizon)

    return Built(model, _supports(model, said))


def _supports(model: Callable[..., None], said: Mapping[str, Spoken]) -> tuple[Spoken, ...]:
    """The stated parameters with the ends that the model gives them; every scalar site where none is stated."""
    from imitative.search.target import Target

    try:
        target = Target(model, {}, name="model.function")
    except InputError:
        raise
    except Exception as error:  # the user's own code may fail in any way
        raise InputError(
            "model.function", f"{type(error).__name__}: {error}", "model(data, horizon=0) that runs"
        ) from error
    scalars = {site.name: site for site in target.sites if site.numbers == 1 and site.elementwise}
    names = list(said) or list(scalars)
    found = []
    for name in names:
        if name not in scalars:
            raise InputError(
                f"parameters.{name}", "no single number of that name in the model", f"one of {', '.join(scalars)}"
            )
        site = scalars[name]
        given = said.get(name, Spoken(Parameter(name), ""))  # without a prior it keeps the function's own
        found.append(replace(given, parameter=replace(given.parameter, lower=site.lower, upper=site.upper)))
    return tuple(found)


# -- whose prior -------------------------------------------------------------------------------------------------------


def _whose(section: BelieverSection | PeopleSection | None) -> Any:
    """What of an overseer makes a problem another: not what people are paid, nor what they are told."""
    if isinstance(section, PeopleSection):
        return {"kind": section.kind}
    return None if section is None else section.model_dump()


def _overseer(
    section: BelieverSection | PeopleSection, problem: BeliefProblem, path: Path
) -> Callable[[BeliefSpace, int], Overseer]:
    if isinstance(section, PeopleSection):
        if section.image is not None or section.images is not None:
            raise InputError(
                f"{path}: overseer", "image", "none: beliefs are shown with curves of their own", "leave image out"
            )
        return _people(section, problem)

    def build(space: BeliefSpace, seed: int) -> Overseer:
        from imitative.overseers.believer import Believer

        try:
            believes = space.read("\n".join(section.believes))
        except ValueError as error:
            raise InputError(f"{path}: overseer.believes", str(error), "a sentence for every parameter") from None
        return Believer(
            space,
            believes,
            noise=section.noise,
            exact=section.exact,
            cost=section.cost,
            seconds=section.seconds,
            seed=seed,
        )

    return build


def _people(section: PeopleSection, problem: BeliefProblem) -> Callable[[BeliefSpace, int], Overseer]:
    """Judges on a page, who see beliefs beside what each would make happen."""

    def build(space: BeliefSpace, seed: int) -> Overseer:
        of = problem.unit or problem.name
        consequences = Consequences(problem.built, space, problem.across, problem.groups, of, seed)
        show = presenter(problem.question, space, consequences)
        return people(section, show, checks(space, show, seed) if section.checks else [])

    return build


def asking_people(problem: BeliefProblem) -> BeliefProblem:
    """The same problem, judged by people on the page instead of whoever it names."""
    return replace(problem, build_overseer=_people(PeopleSection(kind="people"), problem))


def _across(read: Read) -> Across:
    """What D′ lies along."""
    new, columns = read.observed.x_new, read.observed.columns
    if new is None and read.observed.step != ROW:
        return Across("time", read.observed.step, read.ahead)
    if new is not None and len(columns) == 1:
        x = tuple(float(v) for v in new[:, 0])
        return Across("number", columns[0], tuple(f"{v:.4g}" for v in x), x)
    return Across("rows", "new row", read.ahead)
