"""A judge of another distribution: installed beside alignbench, found, listed, run, and held to the contract."""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from alignbench.testing import JudgeContract
from tests.datasets import make_dataset

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "tests" / "fixtures" / "third_party_judge"


def run(*command: str | Path, folder: Path, fails: bool = False) -> str:
    """What a command says; it must succeed, or must not."""
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, check=False)
    assert bool(done.returncode) is fails, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The other distribution's source, where nothing of ours is around it."""
    return shutil.copytree(PACKAGE, tmp_path_factory.mktemp("theirs") / "colour-judge")


@pytest.fixture(scope="module")
def python(package: Path) -> Path:
    """The interpreter of an environment that sees all of ours, with the other distribution installed."""
    folder = package.parent / "venv"
    venv.create(folder, symlinks=True, with_pip=False)
    python = folder / "bin" / "python"
    (site_packages,) = folder.glob("lib/python*/site-packages")
    # `--system-site-packages` would show those of the interpreter below ours, when ours is an environment itself.
    ours = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    links = [str(ROOT), *(f"import site; site.addsitedir({path!r})" for path in sorted(ours))]
    (site_packages / "ours.pth").write_text("\n".join(links) + "\n")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", package.parent, folder=package)
    (wheel,) = package.parent.glob("*.whl")
    install(python, wheel)
    return python


def install(python: Path, wheel: Path) -> None:
    """Install with uv where there is one, else with the pip that Python brings; neither needs a network."""
    beside = Path(sys.executable).with_name("uv")
    uv = beside if beside.exists() else shutil.which("uv")
    if uv:
        run(uv, "pip", "install", "--offline", "--no-deps", "--python", python, wheel, folder=wheel.parent)
    else:
        run(python, "-m", "ensurepip", folder=wheel.parent)
        run(python, "-m", "pip", "install", "--no-index", "--no-deps", wheel, folder=wheel.parent)


def test_the_judge_is_not_ours() -> None:
    assert "colour" not in {point.name for point in importlib.metadata.entry_points(group="alignbench.judges")}


def test_it_is_listed_with_its_distribution(python: Path, tmp_path: Path) -> None:
    (line,) = (
        line
        for line in run(python, "-m", "alignbench", "list", "judges", folder=tmp_path).splitlines()
        if "colour:MODEL" in line
    )
    assert "colour-judge" in line


def test_it_judges_a_dataset(python: Path, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data")
    command = [python, "-m", "alignbench", "judge", dataset.path, "--out", "runs", "--judge"]
    run(*command, "colour:red", folder=tmp_path)
    (folder,) = (tmp_path / "runs").iterdir()
    written = json.loads((folder / "run.json").read_text())
    assert written["spec"]["kind"] == "colour"
    assert written["briefed"] is False
    assert (folder / "judgments.parquet").is_file()
    said = run(*command, "colour:rod", folder=tmp_path, fails=True)
    assert "there is no colour 'rod' (nearest: red)" in said
    assert "Traceback" not in said


def test_it_is_held_to_the_contract_in_three_lines(python: Path, package: Path) -> None:
    lines = [line for line in (package / "test_colour_judge.py").read_text().splitlines() if line]
    assert len(lines) == 3
    said = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_colour_judge.py", folder=package)
    passed, skipped = (
        int(found[1]) if (found := re.search(rf"(\d+) {word}", said)) else 0 for word in ("passed", "skipped")
    )
    checks = sum(name.startswith("test_") for name in vars(JudgeContract))
    # One check is about an environment, which this judge has not.
    assert (passed, skipped) == (checks - 1, 1)


def test_the_contract_sees_what_is_wrong_with_it(python: Path, package: Path) -> None:
    (package / "test_heavy.py").write_text(
        "from alignbench.testing import JudgeContract\n"
        "class TestHeavy(JudgeContract):\n"
        "    reference, options = 'colour:red', {'weight': float('inf')}\n"
    )
    said = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_heavy.py", folder=package, fails=True)
    assert re.search(r"FAILED .*test_a_verdict_is_a_finite_float_or_a_reason", said)
