"""What every test shares: one thread, one set of random examples, and where the real data lies."""

from __future__ import annotations

import os

# Before numpy is imported: two test workers already fill two cores, and one thread sums in one order.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# No test may depend on a model hub, or wait for one.
os.environ["HF_HUB_OFFLINE"] = "1"

import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from bench.postgresql import PrivateServer, why_not

settings.register_profile(
    "deterministic",
    derandomize=True,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("deterministic")

_ROOT = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the slow tests, unless they are asked for."""
    if os.environ.get("SLOW", "0") not in ("", "0"):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="slow: set SLOW=1"))


@pytest.fixture(autouse=True)
def _one_torch_thread() -> None:
    """torch counts its own threads; it is only told so where a test has loaded it."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != 1:
        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data: IMITATIVE_DATA, or `../shared/data` beside the repository."""
    named = os.environ.get("IMITATIVE_DATA")
    folder = Path(named) if named else _ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data: {'IMITATIVE_DATA names no folder' if named else 'IMITATIVE_DATA is not set'}")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all examples which hypothesis draws may write to."""
    return tmp_path_factory.mktemp("drawn")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PrivateServer]:
    """A private PostgreSQL server, where a server binary is installed."""
    if reason := why_not():
        pytest.skip(reason)
    with PrivateServer(durable=False) as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def store(request: pytest.FixtureRequest) -> str | None:
    """Where a run's rows go: None for its own file, or the URL of an empty schema."""
    if request.param == "sqlite":
        return None
    server: PrivateServer = request.getfixturevalue("postgresql")
    return server.schema(f"test_{secrets.token_hex(8)}")
