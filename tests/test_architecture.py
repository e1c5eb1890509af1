"""The house rules that no single module can keep: light imports, arrows that point one way, a whole wheel."""

from __future__ import annotations

import ast
import json
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import alignbench

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("alignbench", "generation", "judges")
HEAVY = {"torch", "transformers", "open_clip", "diffusers", "datasets", "openai", "matplotlib", "sklearn", "pandas"}
TABLES = {"numpy", "pyarrow", "PIL", "scipy", "rich", "yaml", "pydantic"}


def loaded_by(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after `code`."""
    program = f"{code}\nimport json, sys\nprint(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def core_modules() -> list[str]:
    files = [path.relative_to(ROOT).with_suffix("") for path in (ROOT / "alignbench").rglob("*.py")]
    names = [".".join(path.parts).removesuffix(".__init__") for path in files]
    return [name for name in names if "__main__" not in name and not name.startswith("alignbench.backends")]


def imported_modules(path: Path) -> set[str]:
    """What a file imports anywhere, also inside functions."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}


@pytest.mark.parametrize(
    "code",
    [
        "import alignbench",
        "import alignbench.cli",
        "from alignbench.cli import run; assert run(['--help']) == 0",
        "from alignbench.cli import run; assert run(['judge', '--help']) == 0",
        "from alignbench.cli import run; assert run(['no-such-command']) == 2",
    ],
)
def test_help_loads_neither_models_nor_tables(code: str) -> None:
    assert loaded_by(code) & (HEAVY | TABLES | {"judges", "generation"}) == set()


def test_no_module_of_the_core_loads_a_model_library_when_imported() -> None:
    code = f"import importlib\nfor name in {core_modules()!r}: importlib.import_module(name)"
    assert loaded_by(code) & (HEAVY | {"judges", "generation"}) == set()


@pytest.mark.parametrize("role", ["judges", "captioners", "image-models"])
def test_listing_adapters_imports_none_of_them(role: str) -> None:
    code = f"from alignbench.cli import run; assert run(['list', {role!r}]) == 0"
    allowed = {"judges"} if role == "judges" else set()  # judges/specs.py, which holds values and imports no adapter
    assert loaded_by(code) & (HEAVY | {"judges", "generation"}) == allowed


def test_the_core_imports_neither_judges_nor_generation() -> None:
    wrong = {
        f"{path.relative_to(ROOT)} imports {module}"
        for path in (ROOT / "alignbench").rglob("*.py")
        for module in imported_modules(path)
        if module.partition(".")[0] in {"judges", "generation"}
    }
    assert wrong == set()


def test_backends_are_imported_by_adapters_only() -> None:
    wrong = {
        f"{path.relative_to(ROOT)} imports {module}"
        for path in (ROOT / "alignbench").rglob("*.py")
        if "backends" not in path.parts
        for module in imported_modules(path)
        if module.startswith("alignbench.backends")
    }
    assert wrong == set()


@pytest.mark.parametrize(
    ("line", "rule"),
    [("import torch", "TID253"), ("import judges.clip", "TID251"), ("from generation import pipeline", "TID251")],
)
def test_ruff_reports_an_arrow_that_points_the_wrong_way(line: str, rule: str) -> None:
    command = [sys.executable, "-m", "ruff", "check", "--output-format", "json", "--stdin-filename"]
    planted = f'"""Planted."""\n\n{line}\n'

    def rules_in(place: str) -> set[str]:
        done = subprocess.run(
            [*command, place, "-"], cwd=ROOT, input=planted, check=False, capture_output=True, text=True
        )
        return {each["code"] for each in json.loads(done.stdout)}

    assert rule in rules_in("alignbench/planted.py")
    assert rule not in rules_in("judges/planted.py")


def test_public_names_are_sorted_and_load() -> None:
    assert alignbench.__all__ == sorted(alignbench.__all__)
    assert len(set(alignbench.__all__)) == len(alignbench.__all__)
    for name in alignbench.__all__:
        assert getattr(alignbench, name) is not None
    assert set(alignbench.__all__) <= set(dir(alignbench))


def test_a_public_name_is_never_that_of_a_module() -> None:
    modules = {path.stem for path in (ROOT / "alignbench").iterdir()}
    assert modules & set(alignbench.__all__) == set()


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Judgement'"):
        _ = alignbench.Judgement


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names of the files in a wheel built from this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built).namelist()


def test_the_wheel_holds_three_packages_and_nothing_else(wheel: list[str]) -> None:
    tops = {name.partition("/")[0] for name in wheel}
    assert tops == {*PACKAGES, f"alignbench-{alignbench.__version__}.dist-info"}
    assert f"alignbench-{alignbench.__version__}.dist-info/licenses/LICENSE" in wheel


def test_the_wheel_holds_every_file_of_the_packages(wheel: list[str]) -> None:
    there = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert there - set(wheel) == set()
    for package in PACKAGES:
        assert f"{package}/py.typed" in wheel


@pytest.mark.parametrize(
    "needed",
    [
        "generation/recipes/scenes.yaml",
        "judges/prompts/yes_no.sentence.txt",
        "alignbench/embedded/scenes-a/model.safetensors",
        "alignbench/embedded/scenes-b/model.safetensors",
        "alignbench/embedded/scenes-clip/open_clip_model.safetensors",
    ],
)
def test_the_wheel_holds_what_is_read_at_run_time(wheel: list[str], needed: str) -> None:
    assert needed in wheel


def test_no_test_reaches_the_network() -> None:
    with socket.socket() as outward, pytest.raises(RuntimeError, match="without a network"):
        outward.connect(("192.0.2.1", 80))
