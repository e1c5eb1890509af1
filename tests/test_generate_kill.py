"""`generate` killed with SIGKILL: whatever the moment, the resumed dataset is byte for byte the uninterrupted one.

Run as a script, this file is a process with everything imported that forks a session for each kill: a session in a
process of its own, at a hundredth of the cost.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RECIPE = """\
name: kill
seed: 11
images: {source: scenes, count: 4}
captioners: [scenes-template]
prompts: {writer: scenes, count: 3}
image_models: [scenes-painter-a, scenes-painter-b]
labeller: scenes
"""
ROWS = 4 + 3 * 2
KILLS_AT_CALLS = 20
KILLS_AT_TIMES = 5
# Every change of a file in `generate` goes through one of these.
CALLS = ("write", "fsync", "replace", "rename", "mkdir", "unlink", "rmdir")


def test_killed_at_any_moment_and_resumed_it_is_the_same_dataset(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", __file__, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    sessions = json.loads(done.stdout)
    assert len(sessions) == KILLS_AT_CALLS + KILLS_AT_TIMES
    for session in sessions:
        assert session["same"], session
        assert session["left_over"] == [], session
        assert session["kept"] + session["made_after"] == ROWS, session
    kept = {session["kept"] for session in sessions}
    assert len(kept) > ROWS // 2, "the kills hit too few different moments"


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def forked(session: Callable[[], Any]) -> tuple[int, Any]:
    """Run `session` in a forked process; its exit status and what it returned, null if it was killed."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        code = 1
        try:
            os.write(write, json.dumps(session()).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        returned = pipe.read()
    _, status = os.waitpid(child, 0)
    return status, json.loads(returned) if returned else None


def make(recipe: Path, out: Path) -> int:
    from generation.pipeline import generate

    return generate(recipe, out).made


def count_calls(session: Callable[[], int], die_at: int | None = None) -> dict[str, int]:
    """How many calls that change files a session makes; at the one numbered `die_at` it kills itself."""
    calls = 0

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == die_at:
                if real is write:
                    write(args[0], bytes(args[1])[: len(args[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)

        return call

    write = os.write
    for name in CALLS:
        setattr(os, name, counted(getattr(os, name)))
    made = session()
    return {"calls": calls, "made": made}


def killed_at_a_call(recipe: Path, number: int, out: Path) -> None:
    status, _ = forked(partial(count_calls, partial(make, recipe, out), number))
    assert os.WTERMSIG(status) == signal.SIGKILL


def killed_at_a_time(recipe: Path, seconds: float, out: Path) -> None:
    child = os.fork()
    if child == 0:
        make(recipe, out)
        os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def kept_rows(out: Path) -> int:
    """Rows that need not be made again: all once the dataset stands, else the whole lines of the journal."""
    if out.exists():
        return ROWS
    journal = out.with_name(f"{out.name}.partial") / "journal.jsonl"
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def import_what_it_imports(session: Callable[[], Any]) -> None:
    """Import what a session does, and start nothing: threads would not survive a fork."""
    _, modules = forked(lambda: [session(), sorted(sys.modules)][1])
    for module in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    gc.freeze()


def session(kill: Callable[[Path], None], recipe: Path, out: Path) -> dict[str, Any]:
    """Kill a session, resume it, and tell what was there after each."""
    kill(out)
    kept = kept_rows(out)
    _, made = forked(partial(make, recipe, out))
    beside = (f"{out.name}.partial", f".{out.name}.partial", f".{out.name}.old")
    left_over = [name for name in beside if out.with_name(name).exists()]
    return {"kept": kept, "made_after": made, "files": files_of(out), "left_over": left_over}


def main(folder: Path) -> None:
    recipe, whole = folder / "recipe.yaml", folder / "whole"
    recipe.write_text(RECIPE, encoding="utf-8")
    import_what_it_imports(partial(make, recipe, folder / "imported"))
    # A sync is for power cuts, which a kill is not; it is still a moment to be killed at.
    os.fsync = lambda descriptor: None
    _, first = forked(partial(count_calls, partial(make, recipe, whole)))
    began = time.monotonic()
    forked(partial(make, recipe, folder / "timed"))
    seconds = time.monotonic() - began
    rng = random.Random(4)
    calls = rng.sample(range(1, first["calls"] + 1), KILLS_AT_CALLS)
    kills: list[Callable[[Path], None]] = [partial(killed_at_a_call, recipe, number) for number in calls]
    kills += [partial(killed_at_a_time, recipe, rng.uniform(0, seconds)) for _ in range(KILLS_AT_TIMES)]
    sessions = [session(kill, recipe, folder / f"killed-{number}") for number, kill in enumerate(kills)]
    for each in sessions:
        each["same"] = each.pop("files") == files_of(whole)
    json.dump(sessions, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
