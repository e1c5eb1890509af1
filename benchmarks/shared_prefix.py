"""Sentences a second of the shared prefix against one sentence at a time; ends with one JSON line.

A random model of Qwen2.5-VL's architecture looks at a picture of about 1,000 tokens. The loop does what per-sentence
scoring tools do: decode, prepare and a forward pass for every sentence. Both ways take turns in one process with one
thread, so that a busy machine slows both, and processor seconds are compared. The builders of the models are those of
the tests, so it runs in an installed checkout only.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image as Pillow

import alignbench
from alignbench.backends.prefix import SharedPrefix
from alignbench.backends.vlm import Vlm, load_vlm
from alignbench.decode import decode
from tests.tiny_tokenizers import WORDS
from tests.tiny_vlms import MAKERS, make_qwen2_5

GOALS = {8: 6, 16: 10}
AGREES = 1e-5
EMBEDDED = Path(alignbench.__file__).parent / "embedded" / "scenes-b"
INSTRUCTION = "Is this sentence true of the image ? Answer Yes or No . " * 3 + "Sentence : "
VISION = {"hidden_size": 256, "depth": 8, "num_heads": 8, "intermediate_size": 768, "patch_size": 14}
TEXT = {
    "hidden_size": 512,
    "num_hidden_layers": 12,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "intermediate_size": 2048,
    "max_position_embeddings": 4096,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [8, 12, 12]},
}
QUICK = {"hidden_size": 256, "num_hidden_layers": 6, "num_attention_heads": 4, "intermediate_size": 1024}


class Seconds(NamedTuple):
    """Processor seconds of a way: in all, and within the model's forward pass."""

    total: float
    forward: float


class Run(NamedTuple):
    """One way's time, and its probabilities, (sentences, vocabulary)."""

    seconds: Seconds
    probabilities: torch.Tensor


def picture(size: tuple[int, int], seed: int = 0) -> bytes:
    """A JPEG file of patches of one colour each, which no front end makes anything special of."""
    patches = np.random.default_rng(seed).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    encoded = io.BytesIO()
    Pillow.fromarray(patches).resize(size).save(encoded, "JPEG", quality=90)
    return encoded.getvalue()


def prompts(count: int, rng: np.random.Generator) -> list[str]:
    """The instruction with sentences of 12 to 24 words."""
    return [INSTRUCTION + " ".join(rng.choice(WORDS, rng.integers(12, 25))) + " ." for _ in range(count)]


@contextmanager
def forward_seconds(model: Any) -> Iterator[list[float]]:
    """Processor seconds of each forward pass of the model."""
    began, spent = [0.0], []
    before = model.register_forward_pre_hook(lambda *_: began.__setitem__(0, time.process_time()))
    after = model.register_forward_hook(lambda *_: spent.append(time.process_time() - began[0]))
    yield spent
    before.remove()
    after.remove()


def timed(vlm: Vlm, ask: Callable[[], torch.Tensor]) -> Run:
    """One way, timed."""
    with forward_seconds(vlm.model) as spent, torch.inference_mode():
        began = time.process_time()
        probabilities = ask()
        total = time.process_time() - began
    return Run(Seconds(total, sum(spent)), probabilities)


def one_by_one(vlm: Vlm, encoded: bytes, asked: Sequence[str]) -> torch.Tensor:
    """Everything anew for every sentence."""
    return torch.stack(
        [
            vlm.model(**vlm.encode([decode(encoded)], [prompt]), logits_to_keep=1).logits[0, -1].double().softmax(-1)
            for prompt in asked
        ]
    )


def together(shared: SharedPrefix, encoded: bytes, asked: Sequence[str], vocabulary: int) -> torch.Tensor:
    """All sentences behind one prefix."""
    return shared.distributions(decode(encoded), asked, range(vocabulary)).log_probabilities[:, 0].exp()


def race(vlm: Vlm, counts: Sequence[int], rounds: int) -> tuple[dict[int, list[tuple[Seconds, Seconds]]], float]:
    """Seconds of both ways, round by round, for each number of sentences, and the largest difference of a probability.

    The loop asks every sentence once a round: its time for more sentences holds that for fewer.
    """
    shared, encoded = SharedPrefix(vlm), picture((1036, 784))
    vocabulary = vlm.model.config.get_text_config().vocab_size
    asked = prompts(max(counts), np.random.default_rng(0))
    together(shared, encoded, asked[:2], vocabulary)
    times: dict[int, list[tuple[Seconds, Seconds]]] = {count: [] for count in counts}
    worst = 0.0
    for _ in range(rounds):
        done, total, forward, expected = 0, 0.0, 0.0, []
        for count in counts:
            loop = timed(vlm, lambda: one_by_one(vlm, encoded, asked[done:count]))  # noqa: B023 - called at once
            ours = timed(vlm, lambda: together(shared, encoded, asked[:count], vocabulary))  # noqa: B023 - called at once
            done, total, forward = count, total + loop.seconds.total, forward + loop.seconds.forward
            expected.append(loop.probabilities)
            times[count].append((Seconds(total, forward), ours.seconds))
            worst = max(worst, (ours.probabilities - torch.cat(expected)).abs().max().item())
    return times, worst


def said(count: int, times: Sequence[tuple[Seconds, Seconds]]) -> dict[str, float]:
    """Medians over the rounds."""
    loop, ours = ([pair[way].total for pair in times] for way in range(2))
    return {
        "ratio": round(statistics.median(a.total / b.total for a, b in times), 2),
        "goal": GOALS[count],
        "forward_only_ratio": round(statistics.median(a.forward / b.forward for a, b in times), 2),
        "loop_sentences_per_s": round(count / statistics.median(loop), 3),
        "shared_sentences_per_s": round(count / statistics.median(ours), 3),
    }


def agreement(folder: Path) -> dict[str, dict[str, Any]]:
    """For each architecture the way it is asked and the largest difference of a probability from the loop's."""
    makers: Mapping[str, Callable[[Path], Path]] = {**MAKERS, "fast_vlm": lambda _: EMBEDDED}
    asked = prompts(6, np.random.default_rng(1))
    found = {}
    for family, make in makers.items():
        vlm = load_vlm(str(make(folder / family)), device="cpu")
        shared = SharedPrefix(vlm)
        vocabulary = vlm.model.config.get_text_config().vocab_size
        worst = 0.0
        for seed, size in enumerate([(64, 48), (40, 70), (64, 48)]):
            encoded = picture(size, seed)
            with torch.inference_mode():
                expected = one_by_one(vlm, encoded, asked)
            worst = max(worst, (together(shared, encoded, asked, vocabulary) - expected).abs().max().item())
        found[family] = {"way": shared.way, "max_abs_diff": worst}
    return found


def main() -> int:
    """Print the ratios and the JSON line; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under a minute: a smaller model and 8 sentences")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    counts, rounds = ([8], 2) if quick else ([8, 16], 3)
    text = {**TEXT, **(QUICK if quick else {})}
    with tempfile.TemporaryDirectory() as folder:
        vision = {**VISION, "out_hidden_size": text["hidden_size"], "window_size": 112, "fullatt_block_indexes": [3, 7]}
        if quick:
            vision |= {"hidden_size": 128, "num_heads": 4, "intermediate_size": 384}
        made = make_qwen2_5(Path(folder) / "large", text=text, vision=vision, pixels=1 << 20)
        vlm = load_vlm(str(made), device="cpu")
        times, worst = race(vlm, counts, rounds)
        by_family = agreement(Path(folder))
    results = {count: said(count, pairs) for count, pairs in times.items()}
    for count, result in results.items():
        print(f"{count} sentences: {result['ratio']} times one at a time, goal {result['goal']}")
    worst = max(worst, *(each["max_abs_diff"] for each in by_family.values()))
    detail = {
        "sentences": results,
        "agreement": {family: each["max_abs_diff"] for family, each in by_family.items()},
        "ways": {family: each["way"] for family, each in by_family.items()},
        "parameters": sum(weights.numel() for weights in vlm.model.parameters()),
        "image_tokens": int((vlm.encode([decode(picture((1036, 784)))], ["red"])["mm_token_type_ids"] == 1).sum()),
        "rounds": rounds,
    }
    summary = {
        "benchmark": "shared_prefix",
        "ratio": results[8]["ratio"],
        "goal": GOALS[8],
        "max_abs_diff": worst,
        "detail": detail,
    }
    print(json.dumps(summary))
    return int(worst > AGREES or any(result["ratio"] < result["goal"] for result in results.values()))


if __name__ == "__main__":
    raise SystemExit(main())
