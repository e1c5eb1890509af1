"""The judges known by name, and the list of what can run here."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from alignbench import registry
from alignbench.adapters import Role
from alignbench.cli import alignbench as program
from alignbench.cli.listing import _table
from alignbench.errors import UnknownNameError, UsageError
from alignbench.exchange.producers import producer_of
from alignbench.hub_cache import cache_folder, has_weights
from alignbench.listing import Group, JudgeLine, State, list_judges
from alignbench.published import PublishedJudge
from alignbench.registry import build_judge, check_judge
from judges.specs import ALIGNBENCH, HALDEC, JUDGES

ROOT = Path(__file__).resolve().parent.parent
COMMIT = "0123456789abcdef0123456789abcdef01234567"

# The rows of the tables of results, as printed: the judge and its parameters. Source: the project pages of AlignBench
# (https://dahlian00.github.io/AlignBench/) and HalDec-Bench (https://dahlian00.github.io/HalDec-Bench-Page/).
PRINTED = {
    ALIGNBENCH: """
        TripletCLIP 0.3B; SigLIP 0.2B; BLIP-2 1.2B; Phi-4 5.6B; Qwen-2 7B; Deepseek-VL2 27B; LLaVA-NeXT 72B;
        Pixtral 12B; Gemma-3 12B; Gemma-3 27B; InternVL2 2B; InternVL2 8B; InternVL2 26B; InternVL2 40B;
        InternVL2.5 78B; Qwen-2.5(-VL) 7B; Qwen-2.5(-VL) 32B; Llama-4 109B; Llama-4 400B; Gemini-2.0 Flash -;
        GPT4o-mini -; GPT4o -; GPT4.1-mini -; GPT5-mini -; GPT5 -
    """,
    HALDEC: """
        BLIP 1.2B; TripletCLIP 0.3B; Qwen-2 7B; LLaVA-Next 72B; Pixtral 12B; Gemma 12B; Gemma 27B; InternVL2 8B;
        InternVL2 26B; InternVL2 40B; Qwen-2.5 7B; Qwen-2.5 32B; Qwen3(-VL) 30B; Qwen3(-VL) 235B; Llama-4 108B;
        Llama-4 400B; Gemini-2.0-flash -; Gemini-3-Pro -; GPT4o -; GPT5-mini -; GPT5 -
    """,
}
OWN_PRODUCER = {"llama-4-scout": "llama-4", "gpt-4o": "gpt-4o", "gpt-5": "gpt-5", "gemini-3-pro": "gemini-3"}
"""Judges that judge their own captions in those tables."""

RUNNABLE = [judge for judge in JUDGES.values() if not judge.blocked]
BLOCKED = [judge for judge in JUDGES.values() if judge.blocked]


def name_of(judge: PublishedJudge) -> str:
    return judge.name


# The specs


@pytest.mark.parametrize("table", [ALIGNBENCH, HALDEC])
def test_every_row_of_a_published_table_has_one_spec(table: str) -> None:
    printed = [tuple(row.strip().rsplit(" ", 1)) for row in PRINTED[table].split(";")]
    known = [(row.judge, row.parameters or "-") for each in JUDGES.values() for row in each.measured]
    of_table = [
        (row.judge, row.parameters or "-") for each in JUDGES.values() for row in each.measured if row.table == table
    ]
    assert Counter(of_table) == Counter(printed)
    assert len(printed) == {ALIGNBENCH: 25, HALDEC: 21}[table]
    assert len(known) == 46


def test_a_judge_of_a_producers_lineage_is_of_its_family() -> None:
    for judge, producer in OWN_PRODUCER.items():
        model = producer_of(producer).model
        assert (JUDGES[judge].family, JUDGES[judge].provider) == (model.family, model.provider)
    for judge, producer in (("qwen2-vl-7b", "qwen-2"), ("llava-next-72b", "llava-1.6"), ("gpt-5-mini", "gpt-image-1")):
        assert JUDGES[judge].family == producer_of(producer).model.family


def test_a_revision_is_a_commit_or_a_gap() -> None:
    for judge in JUDGES.values():
        assert judge.revision is None or re.fullmatch("[0-9a-f]{40}", judge.revision)


def test_importing_the_specs_loads_no_library() -> None:
    code = "import sys, judges.specs; print([n for n in ('torch', 'numpy', 'pyarrow', 'yaml') if n in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_no_spec_takes_the_name_of_another_judge_or_kind() -> None:
    assert not set(JUDGES) & ({*registry.NAMED[Role.JUDGES]} | {*registry.kinds(Role.JUDGES)})


@pytest.mark.parametrize("judge", RUNNABLE, ids=name_of)
def test_the_adapter_of_a_spec_takes_its_options(judge: PublishedJudge) -> None:
    check_judge(judge.name)
    adapter = registry._adapter(Role.JUDGES, judge.kind)
    assert registry._wanted(adapter, judge.reference, {})["name"] == judge.name


@pytest.mark.parametrize("judge", BLOCKED, ids=name_of)
def test_a_judge_that_cannot_run_says_why(judge: PublishedJudge) -> None:
    with pytest.raises(UsageError, match="cannot run here") as raised:
        build_judge(judge.name)
    assert str(judge.blocked) in str(raised.value)


def test_a_misspelt_spec_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"nearest: qwen2\.5-vl-7b"):
        build_judge("qwen2.5-vl-7")


def test_open_clip_lists_the_clip_models_and_takes_their_weights_from_there() -> None:
    import open_clip

    for judge in RUNNABLE:
        if judge.kind == "clip":
            architecture, _, tag = judge.model.partition("/")
            assert open_clip.get_pretrained_cfg(architecture, tag)["hf_hub"].rstrip("/") == judge.weights


@pytest.mark.parametrize("judge", [each for each in RUNNABLE if each.kind == "api"], ids=name_of)
def test_an_api_judge_is_known_without_a_key(judge: PublishedJudge, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("OPENAI_API_KEY", "GEMINI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(key, raising=False)
    estimator = registry.build_estimator(judge.name)
    assert estimator is not None
    assert estimator.spec.model.family == judge.family
    assert estimator.spec.options["host"].endswith(("api.openai.com", "generativelanguage.googleapis.com"))


# The local cache of the hub


def cached(cache: Path, repository: str, *files: str, index: dict[str, str] | None = None) -> None:
    """What huggingface_hub leaves behind a download: a commit under refs/main, and links in its snapshot."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    snapshot = folder / "snapshots" / COMMIT
    for part in (folder / "refs", folder / "blobs", snapshot):
        part.mkdir(parents=True, exist_ok=True)
    (folder / "refs" / "main").write_text(COMMIT)
    for name in files:
        (folder / "blobs" / name).write_bytes(b"")
        (snapshot / name).symlink_to(folder / "blobs" / name)
    if index is not None:
        (snapshot / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_weights_are_found_in_the_cache(cache: Path) -> None:
    assert not has_weights("org/one")
    cached(cache, "org/one", "model.safetensors")
    assert has_weights("org/one")
    assert has_weights("org/one", COMMIT)
    assert not has_weights("org/one", COMMIT[::-1])
    assert not has_weights("org/two")


def test_half_a_download_is_none(cache: Path) -> None:
    shards = {"a": "model-1-of-2.safetensors", "b": "model-2-of-2.safetensors"}
    cached(cache, "org/big", shards["a"], index=shards)
    assert not has_weights("org/big")
    cached(cache, "org/big", shards["b"])
    assert has_weights("org/big")
    cached(cache, "org/card", "README.md")
    assert not has_weights("org/card")
    cached(cache, "org/odd", "model.safetensors")
    (cache / "models--org--odd" / "snapshots" / COMMIT / "model.safetensors.index.json").write_text("[")
    assert not has_weights("org/odd")


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"HF_HUB_CACHE": "/a/$HF_PART"},
        {"HUGGINGFACE_HUB_CACHE": "/b"},
        {"HF_HOME": "~/c"},
        {"XDG_CACHE_HOME": "/d"},
        {"HF_HOME": "/e", "HF_HUB_CACHE": "/f", "XDG_CACHE_HOME": "/g"},
    ],
    ids=str,
)
def test_the_cache_is_where_the_hubs_own_library_has_it(said: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HF_PART": "part", **said}.items():
        monkeypatch.setenv(name, value)
    code = "from huggingface_hub.constants import HF_HUB_CACHE; print(HF_HUB_CACHE)"
    theirs = subprocess.run([sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, check=True)
    assert cache_folder() == Path(theirs.stdout.strip()).expanduser()


# The list


def line(name: str) -> JudgeLine:
    (found,) = (each for each in list_judges() if each.name == name)
    return found


def page() -> list[str]:
    said = CliRunner().invoke(program, ["list", "judges"], catch_exceptions=False)
    return said.output.splitlines()


def test_what_needs_nothing_is_ready() -> None:
    for name in ("constant", "ngram", "scenes-clip", "scenes-a"):
        assert line(name).state is State.READY
    assert (line("constant").group, line("scenes-a").group) == (Group.CONTROL, Group.EMBEDDED)


def test_a_key_is_asked_for_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert (line("gpt-5").state, line("gpt-5").lacks) == (State.LACKS, ("OPENAI_API_KEY",))
    assert line("gemini-3.8-flash").lacks == ("GEMINI_API_KEY",)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")
    assert (line("gpt-5").state, line("gpt-5").lacks) == (State.READY, ())
    assert "sk-planted" not in "\n".join(page())


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for module in ("openai", "transformers"):
        monkeypatch.setitem(sys.modules, module, None)
    assert line("gpt-5").lacks == ("alignbench[api]", "OPENAI_API_KEY")
    assert line("scenes-a").lacks == ("alignbench[vlm]",)
    assert line("local_vlm:PATH_OR_ID[@REVISION]").state is State.LACKS
    assert line("siglip").lacks == ()
    (said,) = (text for text in page() if text.startswith("scenes-a "))
    assert said.endswith("needs alignbench[vlm]")


def test_weights_that_are_not_here_are_said_to_be_downloaded(cache: Path) -> None:
    assert {line(name).state for name in ("siglip", "qwen3-vl-4b")} == {State.DOWNLOADS}
    cached(cache, "timm/ViT-B-16-SigLIP", "open_clip_model.safetensors")
    cached(cache, "Qwen/Qwen3-VL-4B-Instruct", "model.safetensors")
    assert {line(name).state for name in ("siglip", "qwen3-vl-4b")} == {State.READY}


def test_what_cannot_run_is_blocked_whatever_is_here(cache: Path) -> None:
    cached(cache, "OpenGVLab/InternVL2-8B", "model.safetensors")
    assert line("internvl2-8b").state is State.BLOCKED
    assert "code of its authors" in str(line("internvl2-8b").blocked)


def test_the_page_shows_every_judge_once_in_120_columns(cache: Path) -> None:
    lines = page()
    assert max(map(len, lines)) <= 120
    firsts = Counter(text.split("  ")[0] for text in lines)
    assert all(firsts[each.name] == 1 for each in list_judges())


def test_the_page_says_why_and_what_is_unpinned(cache: Path) -> None:
    text = "\n".join(page())
    (row,) = re.findall(r"^internvl2-8b .*$", text, re.MULTILINE)
    number = re.search(r"cannot run \[(\d+)\]$", row)
    assert number is not None
    assert f"\n[{number[1]}] its weights need code of its authors" in text
    assert "unpinned" in row
    (pinned,) = re.findall(r"^tripletclip .*$", text, re.MULTILINE)
    assert "unpinned" not in pinned and "1f8b0192" in pinned


def test_a_long_name_is_cut_to_fit() -> None:
    (said,) = _table([("name", "org/" + "x" * 200, "ready")], cut=1)
    assert len(said) == 120
    assert said.startswith("name  org/xxx") and said.endswith("x\N{HORIZONTAL ELLIPSIS}  ready")


def test_machines_get_every_field() -> None:
    said = CliRunner().invoke(program, ["list", "judges", "--json"], catch_exceptions=False)
    judges: dict[str, Any] = {each["name"]: each for each in json.loads(said.output)["judges"]}
    gpt = judges["gpt-5"]
    assert gpt["measured"][0] == {"table": ALIGNBENCH, "judge": "GPT5", "parameters": None}
    assert (gpt["kind"], gpt["family"], gpt["provider"], gpt["revision"]) == ("api", "gpt", "openai", None)
    assert {each["state"] for each in judges.values()} <= set(State)
    assert judges["ngram"]["distribution"] == "alignbench"


def test_a_kind_of_another_distribution_is_listed_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = SimpleNamespace(name="theirs", value="theirs:Judge", dist=SimpleNamespace(name="their-judges"))
    nameless = SimpleNamespace(name="nameless", value="nameless:Judge", dist=None)
    monkeypatch.setattr(
        registry, "entry_points", lambda group: [theirs, nameless] if group == "alignbench.judges" else []
    )
    assert line("theirs:MODEL").distribution == "their-judges"
    assert line("nameless:MODEL").distribution is None
    assert "theirs:MODEL  (their-judges)  ready" in page()


def test_listing_judges_imports_their_values_and_no_adapter() -> None:
    heavy = {"torch", "transformers", "open_clip", "openai", "huggingface_hub", "sklearn", "numpy", "pyarrow"}
    code = (
        "import json, sys; from alignbench.cli import run; run(['list', 'judges'])\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(json.loads(said.stdout.splitlines()[-1]))
    assert not loaded & heavy
    assert {name for name in loaded if name.split(".")[0] in {"judges", "generation"}} == {"judges", "judges.specs"}
