"""The registry: what a user may write, and what is said when it is wrong."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

from alignbench import adapters, registry
from alignbench.errors import MissingDependencyError, UnknownNameError, UsageError
from alignbench.references import Reference, parse_reference, read_spec_file
from alignbench.registry import (
    build_captioner,
    build_estimator,
    build_image_model,
    build_judge,
    check_judge,
    names,
    option_of,
)
from alignbench.types import JudgeSpec, ModelRef
from judges.specs import JUDGES


class ThirdParty:
    """A judge of another distribution."""

    def __init__(self, model: str, options: dict[str, object]) -> None:
        self.spec = JudgeSpec(model, "third", ModelRef(model), options=options)

    @classmethod
    def from_reference(cls, model: str, *, revision: str = "none", strength: int = 1) -> ThirdParty:
        return cls(model, {"revision": revision, "strength": strength})


class Shapeless:
    """Not a judge that can be built."""


@pytest.fixture
def third_party(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        importlib.metadata.EntryPoint("third", f"{__name__}:ThirdParty", "alignbench.judges"),
        importlib.metadata.EntryPoint("shapeless", f"{__name__}:Shapeless", "alignbench.judges"),
        importlib.metadata.EntryPoint("blind", f"{__name__}:ThirdParty", "alignbench.judges"),
    ]
    monkeypatch.setitem(sys.modules, __name__, sys.modules[ThirdParty.__module__])
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == "alignbench.judges" else [])


# References


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("clip:ViT-B-32/openai", Reference("clip", "ViT-B-32/openai")),
        ("clip:local-dir:a/b", Reference("clip", "local-dir:a/b")),
        ("local_vlm:org/name@abc123", Reference("local_vlm", "org/name", {"revision": "abc123"})),
        ("planted:auroc=0.8,seed=1", Reference("planted", "auroc=0.8,seed=1")),
        ("local_vlm:a@b@c", Reference("local_vlm", "a@b", {"revision": "c"})),
        ("local_vlm:name@", Reference("local_vlm", "name@")),
    ],
)
def test_references(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference


def test_a_path_with_an_at_sign_is_a_path(tmp_path: Path) -> None:
    folder = tmp_path / "model@home"
    folder.mkdir()
    assert parse_reference(f"local_vlm:{folder}") == Reference("local_vlm", str(folder))


@pytest.mark.parametrize("text", ["clip:", ":model", "", "clip"])
def test_half_a_reference(text: str) -> None:
    with pytest.raises(UsageError, match="alignbench list judges"):
        parse_reference(text)


# Spec files


def test_a_spec_file(tmp_path: Path) -> None:
    path = tmp_path / "judge.yaml"
    path.write_text("kind: clip\nmodel: hf-hub:a/b\nrevision: '12'\nname: ours\nfamily: f\noptions: {dtype: float16}\n")
    options = {"dtype": "float16", "revision": "12", "name": "ours", "family": "f"}
    assert read_spec_file(path) == Reference("clip", "hf-hub:a/b", options)
    path.write_text("kind: planted\nmodel: auroc=0.9\nname: nine\nprovider: us\nnote: |\n  Made up.\n")
    assert read_spec_file(path) == Reference("planted", "auroc=0.9", {"name": "nine", "provider": "us"}, "Made up.\n")
    assert build_judge(str(path)).spec.name == "nine", "a provider is for people, and so may be said of any judge"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: clip", "lacks `model`"),
        ("model: a", "lacks `kind`"),
        ("kind: clip\nmodle: a", "no field 'modle' .nearest: model"),
        ("- kind", "must hold a mapping"),
        ("", "must hold a mapping"),
        ("kind: [", "is not YAML"),
        ("kind: clip\nmodel: a\nrevision: 12", "put it in quotes"),
        ("kind: clip\nmodel: a\noptions: [dtype]", "must be a mapping"),
        ("kind: !!python/object/apply:os.system ['true']", "is not YAML"),
    ],
)
def test_wrong_spec_files(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "judge.yaml").write_text(text)
    with pytest.raises(UsageError, match=said):
        build_judge(str(tmp_path / "judge.yaml"))


def test_a_spec_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        build_judge(str(tmp_path / "nothing.yaml"))


# Building


def test_named_judges() -> None:
    assert build_judge("length").spec.control == "length"
    assert build_judge("length", name="mine").spec.name == "mine"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lenght", "no judge 'lenght' .nearest: length"),
        ("scenes", "nearest: scenes-"),
        ("clp:a", "no judge 'clp' .nearest: clip"),
        ("clip", "needs a model: clip:ARCHITECTURE/PRETRAINED"),
        ("zzz", "alignbench list judges"),
        ("blind:lenght", "nearest: length"),
    ],
)
def test_unknown_names(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        build_judge(text)


def test_unknown_options() -> None:
    with pytest.raises(UnknownNameError, match=r"option of planted 'nmae' \(nearest: name"):
        build_judge("planted:auroc=0.8", nmae="x")
    with pytest.raises(UnknownNameError, match="option of blind 'revision'"):
        build_judge("blind:length@1")


def test_options_that_are_needed() -> None:
    with pytest.raises(UsageError, match=r"ensemble needs the option 'dataset'.*spec file"):
        build_judge("ensemble:mean-rank")


def test_published_judges_have_names() -> None:
    (name,) = (name for name, each in JUDGES.items() if each.kind == "api" and each.model == "gpt-4o")
    check_judge(name)
    assert option_of(name, "family", {}) == "gpt"
    with pytest.raises(UnknownNameError, match="nearest: gpt-4o"):
        check_judge("gpt-4oo")
    blocked = next(each for each in JUDGES.values() if each.blocked)
    with pytest.raises(UsageError, match=f"'{re.escape(blocked.name)}' cannot run here: {re.escape(blocked.blocked)}"):
        check_judge(blocked.name)


def test_other_roles() -> None:
    with pytest.raises(UnknownNameError, match=r"no captioner 'scene-a' \(nearest: scenes-a"):
        build_captioner("scene-a")
    with pytest.raises(UnknownNameError, match="no image model 'length'"):
        build_image_model("length")


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.partition(".")[0] == "judges"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(MissingDependencyError, match=r"'open_clip'.*pip install 'alignbench\[clip\]'"):
        build_judge("clip:ViT-B-32/openai")


def test_the_judges_of_another_distribution_are_refused(tmp_path: Path) -> None:
    (tmp_path / "judges").mkdir()
    (tmp_path / "judges" / "__init__.py").write_text("")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from alignbench.registry import build_judge\n"
        "from alignbench.errors import UsageError\n"
        "try: build_judge('length')\n"
        "except UsageError as error: print(error)\n"
    )
    home = Path(registry.__file__).parents[1]
    said = subprocess.run([sys.executable, "-c", program], cwd=home, capture_output=True, text=True, check=True).stdout
    assert "is not the one that belongs to alignbench" in said


def test_checking_loads_nothing() -> None:
    check_judge("scenes-a")
    check_judge("clip:local-dir:nowhere")
    with pytest.raises(UnknownNameError):
        check_judge("scenes-z")


# Listing


@pytest.mark.parametrize("role", ["judges", "captioners", "image-models"])
def test_lists(role: str) -> None:
    listed = names(role)
    assert len({each.name for each in listed}) == len(listed) > 0
    assert all(each.summary for each in listed)


def test_the_list_of_judges() -> None:
    listed = {each.name: each.extra for each in names("judges")}
    assert listed["scenes-clip"] == "clip"
    assert listed["scenes-a"] == "vlm"
    assert listed["ngram"] is None
    assert "local_vlm:PATH_OR_ID[@REVISION]" in listed


def test_an_unknown_list() -> None:
    with pytest.raises(UnknownNameError, match="nearest: judges"):
        names("judge")


def test_every_registered_class_can_be_built() -> None:
    for role, kinds in adapters.KINDS.items():
        for name in kinds:
            assert callable(registry._adapter(role, name).from_reference), (role, name)


# Entry points


@pytest.mark.usefixtures("third_party")
def test_judges_of_others() -> None:
    assert build_judge("third:model@7", strength=3).spec.options == {"revision": "7", "strength": 3}
    assert "third:MODEL" in {each.name for each in names("judges")}
    with pytest.raises(UnknownNameError, match="nearest: strength"):
        build_judge("third:model", strenght=3)


@pytest.mark.usefixtures("third_party")
def test_options_are_checked_before_anything_is_built() -> None:
    check_judge("third:model", strength=3)
    for option, value in {"strenght": 3, "strength": True}.items():
        with pytest.raises(UsageError, match=f"'third:model' takes no option --{option}"):
            check_judge("third:model", **{option: value})


@pytest.mark.usefixtures("third_party")
def test_what_an_option_would_be() -> None:
    assert option_of("third:model", "strength", {}) == 1
    assert option_of("third:model", "strength", {"strength": 3}) == 3
    assert option_of("third:model@7", "revision", {}) == "7"
    assert option_of("third:model", "context", {}) is None


@pytest.mark.usefixtures("third_party")
def test_estimators() -> None:
    assert build_estimator("third:model") is None
    with pytest.raises(UnknownNameError, match="nearest: strength"):
        build_estimator("third:model", strenght=3)


@pytest.mark.usefixtures("third_party")
def test_ours_win_a_clash() -> None:
    assert build_judge("blind:length").spec.kind == "blind"


@pytest.mark.usefixtures("third_party")
def test_a_class_that_cannot_be_built() -> None:
    with pytest.raises(UsageError, match="no classmethod `from_reference`"):
        build_judge("shapeless:model")
