"""`generate` killed with SIGKILL: whatever the moment, the resumed dataset is byte for byte the uninterrupted one.

Run as a script, this file is a process with everything imported that forks a session for each kill: a session in a
process of its own, at a hundredth of the cost.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
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

ROOT = Path(__file__).resolve().parent.parent
RECIPE = """\
name: kill
seed: 11
images: {source: scenes, count: 3}
captioners: [scenes-template]
prompts: {writer: scenes, count: 2}
image_models: [scenes-painter-a, scenes-painter-b]
loop: {image_models: [scenes-painter-b], captioners: [scenes-template]}
filters: [short, {filter: duplicate, drop: false}]
labeller: scenes
"""
ROWS = 3 + 2 * 2 + 3 * 2
SHARDS = 2
KILLS_AT_CALLS = 20
KILLS_AT_TIMES = 5
KILLS_OF_SHARDS_AT_CALLS = 6
KILLS_OF_SHARDS_AT_TIMES = 3
# Every change of a file in `generate` goes through one of these.
CALLS = ("write", "fsync", "replace", "rename", "mkdir", "unlink", "rmdir")


def test_killed_at_any_moment_and_resumed_it_is_the_same_dataset(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", __file__, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    sessions = json.loads(done.stdout)
    assert len(sessions) == (KILLS_AT_CALLS + KILLS_AT_TIMES + KILLS_OF_SHARDS_AT_CALLS + KILLS_OF_SHARDS_AT_TIMES)
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
            if code:
                traceback.print_exc()
            os._exit(code)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        returned = pipe.read()
    _, status = os.waitpid(child, 0)
    return status, json.loads(returned) if returned else None


def make(recipe: Path, out: Path, shard: tuple[int, int] = (0, 1)) -> int:
    from generation.pipeline import generate

    return generate(recipe, out, shard=shard).made


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
    kill(started(partial(make, recipe, out)), seconds)


def a_shard_killed_at_a_call(recipe: Path, number: int, out: Path) -> None:
    """The first shard is killed at a call, if it makes so many; the second comes to its end."""
    forked(partial(count_calls, partial(make, recipe, out, (0, SHARDS)), number))
    forked(partial(make, recipe, out, (1, SHARDS)))


def shards_killed_at_a_time(recipe: Path, seconds: float, out: Path) -> None:
    """All shards start at the same moment, and are killed one after the other."""
    for child in [started(partial(make, recipe, out, (number, SHARDS))) for number in range(SHARDS)]:
        kill(child, seconds)


def started(session: Callable[[], Any]) -> int:
    child = os.fork()
    if child == 0:
        session()
        os._exit(0)
    return child


def kill(child: int, seconds: float) -> None:
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def kept_rows(out: Path) -> int:
    """Rows that need not be made again: all once the dataset stands, else the whole lines of the journals."""
    if out.exists():
        return ROWS
    journals = out.with_name(f"{out.name}.partial").glob("journal-*.jsonl")
    return sum(journal.read_bytes().count(b"\n") for journal in journals)


def resumed(recipe: Path, out: Path) -> int:
    """One process makes what is left; returns how many rows."""
    _, made = forked(partial(make, recipe, out))
    return int(made)


def resumed_in_shards(recipe: Path, out: Path) -> int:
    """All shards are made at the same time; returns how many rows."""
    before = kept_rows(out)
    children = [started(partial(make, recipe, out, (number, SHARDS))) for number in range(SHARDS)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * SHARDS
    return kept_rows(out) - before


def import_what_it_imports(session: Callable[[], Any]) -> None:
    """Import what a session does, and start nothing: threads would not survive a fork."""
    _, modules = forked(lambda: [session(), sorted(sys.modules)][1])
    for module in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    gc.freeze()


Killed = Callable[[Path], None]
Resumed = Callable[[Path, Path], int]


def session(killed: Killed, again: Resumed, recipe: Path, out: Path) -> dict[str, Any]:
    """Kill a session, resume it, and tell what was there after each."""
    killed(out)
    kept = kept_rows(out)
    made = again(recipe, out)
    beside = (f"{out.name}.partial", f".{out.name}.partial", f".{out.name}.old")
    left_over = [name for name in beside if out.with_name(name).exists()]
    return {"kept": kept, "made_after": made, "files": files_of(out), "left_over": left_over}


def kills(recipe: Path, calls: int, seconds: float) -> Iterator[tuple[Killed, Resumed]]:
    """How sessions are killed, and how each is resumed; whole ones make so many calls in so many seconds."""
    rng = random.Random(4)
    for number in rng.sample(range(1, calls + 1), KILLS_AT_CALLS):
        yield partial(killed_at_a_call, recipe, number), resumed
    for _ in range(KILLS_AT_TIMES):
        yield partial(killed_at_a_time, recipe, rng.uniform(0, seconds)), resumed
    for number in rng.sample(range(1, calls // SHARDS), KILLS_OF_SHARDS_AT_CALLS):
        yield partial(a_shard_killed_at_a_call, recipe, number), rng.choice([resumed, resumed_in_shards])
    for _ in range(KILLS_OF_SHARDS_AT_TIMES):
        at = rng.uniform(0, seconds / SHARDS)
        yield partial(shards_killed_at_a_time, recipe, at), rng.choice([resumed, resumed_in_shards])


def main(folder: Path) -> None:
    recipe, whole = folder / "recipe.yaml", folder / "whole"
    recipe.write_text(RECIPE, encoding="utf-8")
    import_what_it_imports(partial(make, recipe, folder / "imported"))
    # What is installed stays as it is, and looking for it takes longest.
    from alignbench import registry

    vars(registry)["entry_points"] = functools.cache(registry.entry_points)
    # A sync is for power cuts, which a kill is not; it is still a moment to be killed at.
    os.fsync = lambda descriptor: None
    _, first = forked(partial(count_calls, partial(make, recipe, whole)))
    began = time.monotonic()
    forked(partial(make, recipe, folder / "timed"))
    seconds = time.monotonic() - began
    sessions = [
        session(killed, again, recipe, folder / f"killed-{number}")
        for number, (killed, again) in enumerate(kills(recipe, first["calls"], seconds))
    ]
    for each in sessions:
        each["same"] = each.pop("files") == files_of(whole)
    json.dump(sessions, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
