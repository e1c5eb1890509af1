"""A recipe of four diffusion models killed with SIGKILL: the resumed dataset is byte for byte the uninterrupted one.

Run as a script, this file is a process with everything imported that forks a session for each kill, so that no session
spends its time on imports.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import random
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from alignbench.validate import validate
from generation.diffusion.classes import component_classes, pipeline_class
from generation.pipeline import generate
from tests.tiny_diffusion import MAKERS

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("sd", "sdxl", "pixart", "sd3")
PROMPTS = 2
KILLS = 10


@pytest.mark.timeout(900)
def test_killed_at_any_moment_and_resumed_it_is_the_same_dataset(tmp_path: Path) -> None:
    write_recipe(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", __file__, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["whole"] == {"made": len(NAMES) * PROMPTS, "violations": []}
    assert len(told["sessions"]) == KILLS
    for session in told["sessions"]:
        assert session["same"], session
        assert session["made_after"] <= len(NAMES) * PROMPTS - session["kept"], session
        assert not session["left_over"], session
    assert any(session["kept"] for session in told["sessions"]), "every kill came before the first row"
    with one_thread():
        make(tmp_path / "recipe.yaml", tmp_path / "here")
    assert files_of(tmp_path / "here") == files_of(tmp_path / "whole"), "another process makes another dataset"


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """As many threads as the other process has, for sums to be rounded alike."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def write_recipe(folder: Path) -> None:
    models = [
        {"model": f"diffusers:{MAKERS[name](folder / name)}", "options": {"steps": 2, "width": 64, "height": 64}}
        for name in NAMES
    ]
    asked = {"name": "kill", "prompts": {"writer": "scenes", "count": PROMPTS}, "image_models": models}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(asked))


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def forked(session: Callable[[], Any]) -> Any:
    """What a session in a process of its own returns."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.write(write, json.dumps(session()).encode())
            code = 0
        finally:
            if code:
                traceback.print_exc()
            os._exit(code)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        returned = pipe.read()
    os.waitpid(child, 0)
    return json.loads(returned)


def make(recipe: Path, out: Path) -> dict[str, Any]:
    made = generate(recipe, out).made
    return {"made": made, "violations": [str(each) for each in validate(out)]}


def killed(recipe: Path, out: Path, seconds: float) -> dict[str, Any]:
    """Kill a session, resume it, and tell what was there after each."""
    child = os.fork()
    if child == 0:
        make(recipe, out)
        os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    work = out.with_name(f"{out.name}.partial")
    kept = sum(path.read_bytes().count(b"\n") for path in work.glob("journal*.jsonl"))
    made = forked(partial(make, recipe, out))["made"]
    return {"kept": kept, "made_after": made, "left_over": work.exists(), "files": files_of(out), "after": seconds}


def import_what_it_imports(folder: Path) -> None:
    """Import what a session does, and start nothing: threads would not survive a fork."""
    for file in folder.glob("*/model_index.json"):
        index = json.loads(file.read_text())
        pipeline_class(index, str(file.parent))
        component_classes(index, str(file.parent))
    gc.freeze()


def main(folder: Path) -> None:
    import_what_it_imports(folder)
    # A sync is for power cuts, which a kill is not.
    os.fsync = lambda descriptor: None
    recipe = folder / "recipe.yaml"
    began = time.monotonic()
    whole = forked(partial(make, recipe, folder / "whole"))
    seconds = time.monotonic() - began
    expected, rng = files_of(folder / "whole"), random.Random(4)
    sessions = [killed(recipe, folder / f"killed-{each}", rng.uniform(0, seconds)) for each in range(KILLS)]
    for session in sessions:
        session["same"] = session.pop("files") == expected
    json.dump({"whole": whole, "sessions": sessions}, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
