"""`generate` with real classes of captioners and image models: valid, twice the same bytes, and so when it is killed.

The models are random and tiny; all else is what a recipe for large ones goes through. Run as a script, this file is a
process with everything imported that forks a session for each kill, as tests/test_generate_kill.py does.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.test_generate_kill import (
    ROOT,
    files_of,
    forked,
    import_what_it_imports,
    killed_at_a_time,
    make,
    resumed,
    session,
)

CAPTIONERS = ("llava", "qwen2_5", "smolvlm")
IMAGE_MODELS = ("sd", "sdxl", "pixart", "sd3")
KILLS = 10
SEED = 12
"""With which each of the random captioners comes to an end at least once."""
IMAGES, PROMPTS, LOOPED = 3, 2, 2
TALKING = {"temperature": 1.0, "max_new_tokens": 50}
DRAWING = {"steps": 1}

# Seven models are loaded in each of some twenty sessions.
pytestmark = pytest.mark.timeout(1500)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the script says, and `folder` where the datasets are."""
    folder = tmp_path_factory.mktemp("models")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, __file__, str(folder)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout.splitlines()[-1]), "folder": folder}


def test_it_is_a_valid_dataset_of_all_producers(outcome: dict[str, Any]) -> None:
    from alignbench.store import Dataset
    from alignbench.validate import validate

    out = outcome["folder"] / "whole"
    assert validate(out) == []
    dataset, summary = Dataset.open(out), outcome["summary"]
    rows = IMAGES * len(CAPTIONERS) + PROMPTS * len(IMAGE_MODELS) + LOOPED * len(CAPTIONERS) * 2
    assert summary["rows"] == summary["finished"] == rows
    made = Counter(pair.producer.name for pair in dataset.pairs())
    assert made.keys() == {*IMAGE_MODELS, *CAPTIONERS}
    lost = sum(sum(statuses.values()) for table in ("failures", "filtered") for statuses in summary[table].values())
    assert sum(made.values()) + lost == rows
    assert any("parent" in pair.provenance for pair in dataset.pairs())
    assert summary["unusable"] == {"images": {"image_unreadable": 1}}
    for pair in dataset.pairs():
        assert {"torch", "transformers", "tokenizers", "accelerate"} <= pair.provenance["versions"].keys()
        assert ("diffusers" in pair.provenance["versions"]) == (pair.producer.name in IMAGE_MODELS)
        assert pair.provenance["made"]["device"] == "cpu"
        assert pair.provenance["filters"]
        # A prompt of several sentences is more than a text encoder of 77 tokens and a few words takes.
        if pair.producer.name in IMAGE_MODELS:
            assert isinstance(pair.provenance["made"]["truncated"], bool)
    assert sum(summary["truncated"].values()) > 0
    assert {"domains.json", "recipe.yaml"} <= {path.name for path in out.iterdir()}


def test_twice_is_the_same_bytes(outcome: dict[str, Any]) -> None:
    assert files_of(outcome["folder"] / "whole") == files_of(outcome["folder"] / "again")


def test_killed_and_resumed_it_is_the_same_bytes(outcome: dict[str, Any]) -> None:
    assert len(outcome["sessions"]) == KILLS
    for number, each in enumerate(outcome["sessions"]):
        # Captions without an end can be tried again, so that the work folder stays.
        assert each["same"] and each["left_over"] == [f"killed-{number}.partial"], each
    assert len({each["kept"] for each in outcome["sessions"]}) > KILLS // 3, "the kills hit too few different moments"


def recipe_in(folder: Path) -> Path:
    """A recipe of every kind of part, with the models, the pictures and the CLIP that it names."""
    import torch

    from tests import tiny_diffusion, tiny_models, tiny_vlms

    torch.set_num_threads(1)
    talkers = [getattr(tiny_vlms, f"make_{name}")(folder / name) for name in CAPTIONERS]
    painters = [getattr(tiny_diffusion, f"make_{name}")(folder / name) for name in IMAGE_MODELS]
    clip = tiny_models.make_clip(folder / "clip")
    (folder / "pictures").mkdir()
    for number in range(4):
        (folder / "pictures" / f"{number}.png").write_bytes(tiny_models.png(tiny_models.noise(number)))
    (folder / "pictures" / "notes.txt").write_text("no picture")
    # By their names alone, since a row's seed hangs on what its model is called.
    captioners = [{"model": f"local_vlm:{path.name}", "options": TALKING} for path in talkers]
    image_models = [{"model": f"diffusers:{path.name}", "options": DRAWING} for path in painters]
    recipe = {
        "name": "models",
        "seed": SEED,
        "images": {
            "source": "folder",
            "options": {"path": "pictures"},
            "count": IMAGES,
            "domains": {"count": 2, "model": f"local-dir:{clip}"},
            "filters": ["black", "duplicate"],
        },
        "captioners": captioners,
        "caption_prompt": {"file": "detailed"},
        "prompts": {"writer": "template", "count": PROMPTS, "near_duplicates": {"by": "ngrams"}},
        "image_models": image_models,
        "loop": {"count": LOOPED, "image_models": image_models[:1], "captioners": captioners[:1]},
        "filters": ["refusal", {"filter": "short", "options": {"words": 5}, "drop": False}, "black", "duplicate"],
    }
    path = folder / "recipe.yaml"
    path.write_text(json.dumps(recipe), encoding="utf-8")  # which is YAML too
    return path


def summary_of(recipe: Path, out: Path) -> dict[str, Any]:
    from dataclasses import asdict

    from generation.pipeline import generate

    return {**asdict(generate(recipe, out)), "path": str(out)}


def main(folder: Path) -> None:
    os.chdir(folder)
    status, _ = forked(lambda: str(recipe_in(folder)))
    assert status == 0
    recipe = folder / "recipe.yaml"
    import_what_it_imports(partial(make, recipe, folder / "again"))
    os.fsync = lambda descriptor: None
    began = time.monotonic()
    _, summary = forked(partial(summary_of, recipe, folder / "whole"))
    seconds = time.monotonic() - began
    rng = random.Random(8)
    sessions = []
    for number in range(KILLS):
        # Spread, so that neither loading nor any stage is missed.
        kill = partial(killed_at_a_time, recipe, seconds * (number + rng.random()) / KILLS)
        found = session(kill, resumed, recipe, folder / f"killed-{number}")
        found["same"] = found.pop("files") == files_of(folder / "whole")
        sessions.append(found)
    print(json.dumps({"summary": summary, "sessions": sessions}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
