"""Huskies: in D every husky stands in the snow and no other dog does; in D′ half of the huskies stand on grass.

The photos are described, not shown; D has four of each dog, taken where it lives. Some features belong to the dog and
some to the photo. Which those are is common knowledge that no column of D holds: in D, *snow means husky* is the
simplest hypothesis, and it is never wrong.

    breed → coat, ears, tail, eyes, face, build, muzzle, weight       each other breed shares some of these with huskies
    background → season, sky, person, breath, light                   in the snow it is winter, and people dress for it

D and D′ differ in P(background | breed) and in nothing else. No feature of the dog tells a husky by itself; all of them
together do. After the example of snow and huskies in Ribeiro, Singh & Guestrin, "Why Should I Trust You?", KDD 2016.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from imitative.data import Feature, FeatureKind, Labelled, Table
from imitative.hypotheses.statements import Limits, Statement, StatementSpace
from imitative.loaded import LoadedProblem
from imitative.overseers.simulated import Simulated
from imitative.problem import Problem, Truth
from imitative.records import Question, Value
from imitative.settings import Settings
from imitative.streams import Stream, generator

DOGS, PHOTOS = 100, 4
"""D shows so many dogs, half of them huskies, in so many photos each."""
UNLABELLED = 1000
"""Rows of D′: as many dogs, half of them huskies."""
EVIDENCE: Final = 1.0 / PHOTOS
"""Four photos of a dog show the same dog: they are worth one independent example."""
UNSEEN = 0.02
"""The share of cells that a photo does not show: the tail is out of the picture, the face is turned away."""
WRONG = 0.01
"""The share of a dog's cells that whoever described the photo got wrong."""
SPOKEN: Final = {"husky": "the dog is a husky", "other": "the dog is of another breed"}

Answers = np.ndarray[tuple[int], np.dtype[np.int64]]
"""Indices into the answers, one for each row."""
Chances = Mapping[str, float]
"""Value → its share."""


@final
@dataclass(frozen=True)
class Breed:
    """What dogs of a breed look like.

    Args:
        looks: feature → value → the share of these dogs that have it; a value not named is not met.
        kilograms: mean and standard deviation of the weight.
    """

    looks: Mapping[str, Chances]
    kilograms: tuple[float, float]


HUSKY: Final = Breed(
    {
        "coat": {"fluffy": 0.95, "short": 0.03, "silky": 0.02},
        "ears": {"pointed": 0.97, "folded": 0.03},
        "tail": {"curled": 0.92, "hanging": 0.08},
        "eyes": {"blue": 0.65, "brown": 0.25, "amber": 0.10},
        "mask": {"yes": 0.94, "no": 0.06},
        "build": {"athletic": 0.93, "stocky": 0.07},
        "muzzle": {"wedge-shaped": 0.97, "square": 0.03},
    },
    (22.0, 2.5),
)

OTHERS: Final[Mapping[str, Breed]] = {
    "beagle": Breed(
        {
            "coat": {"short": 1.0},
            "ears": {"floppy": 1.0},
            "tail": {"upright": 0.85, "hanging": 0.15},
            "eyes": {"brown": 1.0},
            "mask": {"yes": 0.05, "no": 0.95},
            "build": {"stocky": 0.7, "athletic": 0.3},
            "muzzle": {"square": 0.95, "wedge-shaped": 0.05},
        },
        (11.0, 1.5),
    ),
    "greyhound": Breed(
        {
            "coat": {"short": 1.0},
            "ears": {"folded": 0.95, "pointed": 0.05},
            "tail": {"hanging": 1.0},
            "eyes": {"brown": 0.8, "amber": 0.2},
            "mask": {"yes": 0.05, "no": 0.95},
            "build": {"slender": 0.95, "athletic": 0.05},
            "muzzle": {"narrow": 1.0},
        },
        (30.0, 3.0),
    ),
    "poodle": Breed(
        {
            "coat": {"curly": 1.0},
            "ears": {"floppy": 1.0},
            "tail": {"upright": 0.6, "curled": 0.2, "docked": 0.2},
            "eyes": {"brown": 0.9, "amber": 0.1},
            "mask": {"no": 1.0},
            "build": {"slender": 0.6, "athletic": 0.4},
            "muzzle": {"narrow": 0.9, "wedge-shaped": 0.1},
        },
        (22.0, 5.0),
    ),
    "collie": Breed(
        {
            "coat": {"fluffy": 0.7, "silky": 0.3},
            "ears": {"folded": 0.85, "pointed": 0.15},
            "tail": {"hanging": 0.97, "curled": 0.03},
            "eyes": {"brown": 0.85, "blue": 0.15},
            "mask": {"yes": 0.15, "no": 0.85},
            "build": {"slender": 0.5, "athletic": 0.5},
            "muzzle": {"narrow": 0.8, "wedge-shaped": 0.2},
        },
        (23.0, 3.5),
    ),
    "corgi": Breed(
        {
            "coat": {"fluffy": 0.35, "short": 0.65},
            "ears": {"pointed": 1.0},
            "tail": {"docked": 0.8, "curled": 0.2},
            "eyes": {"brown": 0.97, "blue": 0.03},
            "mask": {"yes": 0.1, "no": 0.9},
            "build": {"stocky": 1.0},
            "muzzle": {"wedge-shaped": 0.6, "square": 0.4},
        },
        (12.0, 1.5),
    ),
    "boxer": Breed(
        {
            "coat": {"short": 1.0},
            "ears": {"floppy": 0.7, "folded": 0.3},
            "tail": {"docked": 0.6, "upright": 0.4},
            "eyes": {"brown": 1.0},
            "mask": {"yes": 0.85, "no": 0.15},
            "build": {"athletic": 0.7, "stocky": 0.3},
            "muzzle": {"square": 1.0},
        },
        (29.0, 3.0),
    ),
    "pug": Breed(
        {
            "coat": {"short": 1.0},
            "ears": {"folded": 0.7, "floppy": 0.3},
            "tail": {"curled": 1.0},
            "eyes": {"brown": 1.0},
            "mask": {"yes": 0.9, "no": 0.1},
            "build": {"stocky": 1.0},
            "muzzle": {"square": 1.0},
        },
        (8.0, 1.0),
    ),
}
"""Every other breed shares some of a husky's looks, none of them most."""

_ELSEWHERE: Final[Chances] = {"grass": 0.4, "street": 0.25, "beach": 0.15, "room": 0.2}
BACKGROUNDS: Final[Mapping[str, tuple[Chances, Chances]]] = {
    "D": ({"snow": 1.0}, _ELSEWHERE),
    "D′": ({"snow": 0.5, "grass": 0.5}, {"snow": 0.5, "grass": 0.2, "street": 0.12, "beach": 0.08, "room": 0.1}),
}
"""Where huskies, and where other dogs, were photographed. All that differs between D and D′."""

_SNOW: Final[Mapping[str, Chances]] = {
    "season": {"winter": 0.97, "spring": 0.03},
    "sky": {"white": 0.8, "blue": 0.2},
    "person": {"dressed for the cold": 0.6, "lightly dressed": 0.02, "nobody": 0.38},
    "breath": {"yes": 0.7, "no": 0.3},
    "light": {"dull": 0.6, "bright": 0.35, "golden": 0.05},
}
_OUTDOORS: Final[Mapping[str, Chances]] = {
    "season": {"winter": 0.03, "spring": 0.3, "summer": 0.42, "autumn": 0.25},
    "sky": {"white": 0.1, "blue": 0.7, "not in view": 0.2},
    "person": {"dressed for the cold": 0.04, "lightly dressed": 0.5, "nobody": 0.46},
    "breath": {"yes": 0.02, "no": 0.98},
    "light": {"dull": 0.15, "bright": 0.6, "golden": 0.25},
}
_INDOORS: Final[Mapping[str, Chances]] = {
    **_OUTDOORS,
    "sky": {"not in view": 1.0},
    "breath": {"no": 1.0},
    "light": {"dull": 0.2, "golden": 0.1, "lamplit": 0.7},
}
_ANYWHERE: Final[Mapping[str, Chances]] = {
    "lead": {"yes": 0.4, "no": 0.6},
    "angle": {"side": 0.5, "front": 0.35, "above": 0.15},
}


def _words(name: str, spoken: str, phrases: Mapping[str, str], words: Mapping[str, str] | None = None) -> Feature:
    return Feature(name, FeatureKind.CATEGORICAL, spoken, words or {}, phrases, tuple(phrases))


OF_THE_DOG: Final = (
    _words(
        "coat",
        "the coat",
        {
            "fluffy": "the dog has a thick, fluffy coat",
            "short": "the dog has a short coat",
            "silky": "the dog has a long, silky coat",
            "curly": "the dog has a curly coat",
        },
    ),
    _words(
        "ears",
        "the shape of the ears",
        {
            "pointed": "the dog has pointed ears",
            "folded": "the dog has folded ears",
            "floppy": "the dog has floppy ears",
        },
    ),
    _words(
        "tail",
        "the tail",
        {
            "curled": "the tail curls over the back",
            "upright": "the tail stands up straight",
            "hanging": "the tail hangs down",
            "docked": "the dog has hardly any tail",
        },
    ),
    _words(
        "eyes",
        "the colour of the eyes",
        {"blue": "the dog has blue eyes", "brown": "the dog has brown eyes", "amber": "the dog has amber eyes"},
    ),
    Feature(
        "mask",
        FeatureKind.BOOLEAN,
        "the presence of a mask",
        {"yes": "certain", "no": "excluded"},
        {"yes": "the face is marked like a mask", "no": "the face has no mask"},
        ("yes", "no"),
    ),
    _words(
        "build",
        "the build",
        {
            "athletic": "the dog has an athletic build",
            "slender": "the dog has a slender build",
            "stocky": "the dog has a stocky build",
        },
    ),
    _words(
        "muzzle",
        "the muzzle",
        {
            "wedge-shaped": "the dog has a wedge-shaped muzzle",
            "narrow": "the dog has a long, narrow muzzle",
            "square": "the dog has a square muzzle",
        },
    ),
    Feature("kilograms", FeatureKind.NUMERIC, "the weight of the dog", unit="kg"),
)
OF_THE_PHOTO: Final = (
    _words(
        "background",
        "the background",
        {
            "snow": "the photo shows snow in the background",
            "grass": "the photo shows grass in the background",
            "street": "the photo shows a street in the background",
            "beach": "the photo shows a beach in the background",
            "room": "the photo shows a room in the background",
        },
        {"street": "a street", "beach": "a beach", "room": "a room"},
    ),
    _words(
        "season",
        "the season",
        {name: f"the photo was taken in {name}" for name in ("spring", "summer", "autumn", "winter")},
    ),
    _words(
        "sky",
        "the sky",
        {
            "white": "the photo shows a white sky",
            "blue": "the photo shows a blue sky",
            "not in view": "the photo shows no sky",
        },
    ),
    Feature(
        "breath",
        FeatureKind.BOOLEAN,
        "the breath in the cold air",
        {"yes": "visible", "no": "invisible"},
        {"yes": "the breath can be seen in the cold air", "no": "no breath can be seen"},
        ("yes", "no"),
    ),
    _words(
        "person",
        "the person in view",
        {
            "dressed for the cold": "a person dressed for the cold is in view",
            "lightly dressed": "a lightly dressed person is in view",
            "nobody": "nobody is in view",
        },
    ),
    _words(
        "light",
        "the light",
        {
            "dull": "the photo was taken in dull light",
            "bright": "the photo was taken in bright light",
            "golden": "the photo was taken in golden light",
            "lamplit": "the photo was taken by lamplight",
        },
        {"lamplit": "lamplight"},
    ),
    Feature(
        "lead",
        FeatureKind.BOOLEAN,
        "the presence of a lead",
        {"yes": "certain", "no": "excluded"},
        {"yes": "a lead can be seen", "no": "no lead can be seen"},
        ("yes", "no"),
    ),
    _words(
        "angle",
        "the camera angle",
        {
            "side": "the photo was taken from the side",
            "front": "the photo was taken from the front",
            "above": "the photo was taken from above",
        },
    ),
)
DESCRIPTION: Final = Feature("description", FeatureKind.TEXT, "the description")
"""What a person would write under the photo: shown to whoever answers. Hypotheses speak of the features, not of it."""
FEATURES: Final = (*OF_THE_DOG, *OF_THE_PHOTO, DESCRIPTION)
STATEMENTS: Final = 12
"""z may say so many things: with eight, as many as the dog has features, the limit decided what was left out, not the
prior (docs/decisions/0027)."""
CUTS: Final = (10.0, 15.0, 18.0, 20.0, 25.0, 28.0, 30.0, 35.0)

BELIEVES: Final = (
    "If the dog has a thick, fluffy coat, the dog is a husky (moderate evidence).",
    "If the dog has pointed ears, the dog is a husky (moderate evidence).",
    "If the tail curls over the back, the dog is a husky (slight evidence).",
    "If the dog has floppy ears, the dog is of another breed (moderate evidence).",
)
"""Huskies look like wolves. That is all the person knows; eyes, mask, build, muzzle and weight are news to them."""
ABOUT_THE_DOG, ABOUT_THE_PHOTO = 2.0, -7.0
"""Nats by which a reason gains or loses: a breed is about the dog, and a thousand to one it is not about the photo."""


def huskies(seed: int = 0) -> LoadedProblem:
    """Is the dog a husky? In D every husky is in the snow, in D′ half of them are on grass.

    Args:
        seed: draws D and D′.
    """
    rng = generator(seed, Stream.HUSKIES)
    labelled, answers = _album("D", DOGS, PHOTOS, rng)
    unlabelled, truth = _album("D′", UNLABELLED, 1, rng)
    space = StatementSpace(FEATURES, tuple(SPOKEN), SPOKEN, Limits(STATEMENTS, 1, len(CUTS)), cuts={"kilograms": CUTS})
    problem = Problem(
        "huskies",
        "Is the dog in this photo a husky?",
        Labelled(labelled, answers, tuple(SPOKEN)),
        unlabelled,
        SPOKEN,
        space,
    )
    settings = Settings(evidence=EVIDENCE)
    return LoadedProblem(
        problem,
        Truth(truth),
        lambda chosen: person(space, chosen),
        seed,
        settings=settings,
        source="huskies",
        judged="simulated",
    )


def person(space: StatementSpace, seed: int) -> Simulated:
    """Somebody who has seen a husky once: knows that a breed is about the dog; one answer in twenty is careless."""
    believes: list[Statement] = [space.read_statement(text) for text in BELIEVES]
    relevance = {feature.name: ABOUT_THE_DOG for feature in OF_THE_DOG}
    return Simulated(
        space, believes, relevance, ABOUT_THE_PHOTO, tolerance=2.0, noise=0.5, careless=0.05, reads=8, seed=seed
    )


# -- photos --------------------------------------------------------------------------------------------------------


def _album(where: str, dogs: int, photos: int, rng: np.random.Generator) -> tuple[Table, Answers]:
    """So many photos of each of so many dogs, described, in random order, and which answer is true of each."""
    names = tuple(OTHERS)
    rows: list[Question] = []
    for dog in range(dogs):
        answer = dog % 2
        breed = OTHERS[names[int(rng.integers(len(names)))]] if answer else HUSKY
        looks, background = _dog(breed, rng), _drawn(BACKGROUNDS[where][answer], rng)
        rows += [_described(_seen(looks, rng) | _photo(background, rng), rng) for _ in range(photos)]
    order = rng.permutation(len(rows))
    return Table.of(FEATURES, [rows[i] for i in order]), (order // photos % 2).astype(np.int64)


def _dog(breed: Breed, rng: np.random.Generator) -> dict[str, Value]:
    looks: dict[str, Value] = {name: _drawn(chances, rng) for name, chances in breed.looks.items()}
    mean, sd = breed.kilograms
    return looks | {"kilograms": float(max(3.0, round(rng.normal(mean, sd))))}


def _seen(looks: dict[str, Value], rng: np.random.Generator) -> dict[str, Value]:
    """What is written down of a dog's looks from one photo."""
    found = dict(looks)
    for feature in OF_THE_DOG:
        if feature.discrete and rng.random() < WRONG:
            found[feature.name] = feature.values[int(rng.integers(len(feature.values)))]
    return {name: None if rng.random() < UNSEEN else value for name, value in found.items()}


def _photo(background: str, rng: np.random.Generator) -> dict[str, Value]:
    kinds = {"snow": _SNOW, "room": _INDOORS}.get(background, _OUTDOORS)
    found: dict[str, Value] = {"background": background}
    for name, chances in {**kinds, **_ANYWHERE}.items():
        found[name] = _drawn(chances, rng)
    return found


def _drawn(chances: Chances, rng: np.random.Generator) -> str:
    values = list(chances)
    return values[int(rng.choice(len(values), p=list(chances.values())))]


# -- the description -----------------------------------------------------------------------------------------------

_COAT = {"fluffy": "fluffy", "short": "short-haired", "silky": "silky-haired", "curly": "curly-haired"}
_EARS = {"pointed": "with pointed ears", "folded": "with folded ears", "floppy": "with floppy ears"}
_TAIL = {
    "curled": "its tail curled over its back",
    "upright": "its tail straight up",
    "hanging": "its tail hanging down",
    "docked": "with hardly any tail",
}
_PLACE = {
    "snow": "in the snow",
    "grass": "on the grass",
    "street": "in a street",
    "beach": "on a beach",
    "room": "on the floor of a room",
}
_PERSON = {
    "dressed for the cold": "a person wrapped up against the cold",
    "lightly dressed": "a lightly dressed person",
}
_SIZES = ((15.0, "small"), (26.0, "medium-sized"), (np.inf, "large"))


def _described(photo: dict[str, Value], rng: np.random.Generator) -> Question:
    """The photo with a caption: `A large, fluffy dog with pointed ears lies in the snow, its tail curled.`"""
    kilograms = photo["kilograms"]
    size = next(word for limit, word in _SIZES if kilograms < limit) if isinstance(kilograms, float) else None
    looks = ", ".join(str(word) for word in (size, photo["build"], _said(_COAT, photo["coat"])) if word)
    does = ("lies", "sits", "stands", "plays")[int(rng.integers(4))]
    parts = [looks, "dog", _said(_EARS, photo["ears"]), does, _PLACE[str(photo["background"])]]
    whole = " ".join(part for part in parts if part)
    sentences = [", ".join([f"{_article(whole)} {whole}", *filter(None, [_said(_TAIL, photo["tail"])])])]
    face = [f"{photo['eyes']} eyes" if photo["eyes"] else "", f"a {photo['muzzle']} muzzle" if photo["muzzle"] else ""]
    face += ["markings like a mask"] if photo["mask"] == "yes" else []
    if seen := [part for part in face if part]:
        sentences.append(f"It has {_joined(seen)}")
    if other := _said(_PERSON, photo["person"]):
        sentences.append(f"{other[0].upper()}{other[1:]} {'holds its lead' if photo['lead'] == 'yes' else 'is near'}")
    return photo | {"description": ". ".join(sentences) + "."}


def _said(words: Mapping[str, str], value: Value) -> str:
    return words.get(str(value), "") if value is not None else ""


def _article(words: str) -> str:
    return "An" if words[0] in "aeiou" else "A"


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
