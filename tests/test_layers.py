"""The order of imports, as docs/architecture.md states it, and what no file here may do."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import imitative

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "imitative"
PLAN = ROOT / "docs" / "architecture.md"

# Alembic loads these by their path; nothing imports them.
MIGRATIONS = SOURCE / "store" / "migrations"
FILES = sorted(
    path.relative_to(SOURCE).as_posix()
    for path in SOURCE.rglob("*.py")
    if not path.is_relative_to(MIGRATIONS) and path != SOURCE / "__init__.py"
)
HEAVY = {
    "alembic", "huggingface_hub", "imodels", "jax", "numpy", "numpyro", "pandas", "polars", "pydantic", "rich", "scipy",
    "sentence_transformers", "sklearn", "sqlalchemy", "tokenizers", "torch", "transformers", "typer",
}  # fmt: skip
MIDDLE = range(5, 14)
TOUCHES_THE_WORLD = {
    "io", "os", "pathlib", "polars", "requests", "shutil", "socket", "sqlalchemy", "sqlite3", "subprocess",
    "tempfile", "urllib",
}  # fmt: skip
UNSAFE_MODULES = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
UNSAFE_CALLS = {"eval", "exec", "__import__"}


def layers() -> dict[str, int]:
    """File → layer, from the rows `| 3 | `file.py`, `folder/file.py` | what |` of the plan."""
    found: dict[str, int] = {}
    for row in re.findall(r"^\| *(\d+) *\| ([^|]*) \|", PLAN.read_text("utf-8"), flags=re.MULTILINE):
        for file in re.findall(r"`([^`]+\.py)`", row[1]):
            assert file not in found, f"{file} stands in two layers of {PLAN.name}"
            found[file] = int(row[0])
    return found


def resolve(module: str, name: str | None = None) -> str | None:
    """The file that `import module` or `from module import name` reads, or None outside the package."""
    parts = module.split(".")
    if parts[0] != "imitative":
        return None
    for path in ([*parts[1:], name] if name else None, parts[1:]):
        if path is None:
            continue
        for candidate in (f"{'/'.join(path)}.py", f"{'/'.join(path)}/__init__.py"):
            if (SOURCE / candidate).is_file():
                return candidate
    return "__init__.py"


def imports(file: str) -> Iterator[tuple[int, str]]:
    """Line and file of every import of ours, in functions and for types too."""
    for node in ast.walk(ast.parse((SOURCE / file).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            targets = [resolve(alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: imports are absolute here"
            targets = [resolve(node.module or "", alias.name) for alias in node.names]
        else:
            continue
        yield from ((node.lineno, target) for target in targets if target is not None)


def test_the_plan_lists_every_file_and_no_other() -> None:
    planned = {file for file in layers() if not file.startswith("store/migrations/")}
    empty = {file for file in FILES if file.endswith("__init__.py") and not list(imports(file))}
    assert sorted(planned - set(FILES)) == [], "listed in docs/architecture.md, but absent"
    assert sorted(set(FILES) - planned - empty) == [], "absent from the layers of docs/architecture.md"


@pytest.mark.parametrize("file", FILES)
def test_a_file_imports_only_from_lower_layers(file: str) -> None:
    layer = layers()
    if file not in layer:
        pytest.skip("without imports, or absent from the plan (another test says so)")
    wrong = [
        f"{file}:{line}: layer {layer[file]} imports {target}, layer {layer.get(target, 'unknown')}"
        for line, target in imports(file)
        if layer.get(target, 99) >= layer[file] and not _only_its_version(file, line, target)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("file", [file for file, layer in layers().items() if layer in MIDDLE])
def test_the_middle_does_no_io(file: str) -> None:
    if not (SOURCE / file).is_file():
        pytest.skip("absent (another test says so)")
    for node in ast.walk(ast.parse((SOURCE / file).read_text("utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        touched = TOUCHES_THE_WORLD & {name.split(".")[0] for name in names}
        assert not touched, f"{file}:{getattr(node, 'lineno', 0)}: imports {touched}"
        opens = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open"
        assert not opens, f"{file}:{getattr(node, 'lineno', 0)}: opens a file"


def _only_its_version(file: str, line: int, target: str) -> bool:
    """The package itself may be asked for nothing but its version: the public names are for users."""
    text = (SOURCE / file).read_text("utf-8").splitlines()[line - 1]
    return target == "__init__.py" and text.strip() == "from imitative import __version__"


@pytest.mark.parametrize("file", ["__init__.py", *FILES])
def test_nothing_runs_what_it_reads(file: str) -> None:
    for node in ast.walk(ast.parse((SOURCE / file).read_text("utf-8"))):
        place = f"{file}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import):
            assert UNSAFE_MODULES.isdisjoint(alias.name.split(".")[0] for alias in node.names), place
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] not in UNSAFE_MODULES, place
        elif isinstance(node, ast.Call):
            assert not (isinstance(node.func, ast.Name) and node.func.id in UNSAFE_CALLS), place
            assert all(
                not (word.arg == "allow_pickle" and getattr(word.value, "value", True)) for word in node.keywords
            ), place


def test_public_names_are_typed_where_they_are_loaded_from() -> None:
    tree = ast.parse((SOURCE / "__init__.py").read_text("utf-8"))
    typed = {
        alias.asname: (node.module or "").removeprefix("imitative.")
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == imitative._MODULES


@pytest.mark.parametrize("name", imitative.__all__)
def test_every_public_name_exists(name: str) -> None:
    assert getattr(imitative, name) is getattr(imitative, name)
    assert name in dir(imitative)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'deduce'"):
        _ = imitative.deduce


def test_importing_the_package_is_cheap() -> None:
    code = (
        "import sys, time; began = time.perf_counter(); import imitative; took = time.perf_counter() - began;"
        "print(took, *{name.split('.')[0] for name in sys.modules})"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        for _ in range(3)
    ]
    assert HEAVY.isdisjoint(runs[0][1:])
    assert min(float(run[0]) for run in runs) < 0.1


def test_no_public_name_is_hidden_by_a_module() -> None:
    """Importing `imitative.x` binds the module to the name x of the package: a public x would then be the module."""
    assert not {path.stem for path in SOURCE.rglob("*.py")} & set(imitative.__all__)
