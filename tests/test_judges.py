"""The contract, kept by every kind of judge that can run here; and judges that break it, caught."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from alignbench.registry import build_judge
from alignbench.run import run_judge
from alignbench.store import Dataset
from alignbench.testing import JudgeContract
from alignbench.types import Judge
from tests import clip_models, tiny_vlms
from tests.api_model import ApiModel
from tests.api_server import ApiServer
from tests.tiny_models import make_clip


class _Tiny(JudgeContract):
    """A judge on a tiny model that is made on the spot."""

    form: ClassVar[str] = "{}"
    make: ClassVar[Callable[[Path], Path]]

    @pytest.fixture(scope="class")
    @classmethod
    def build(cls, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Judge]:
        folder = cls.make(tmp_path_factory.mktemp("models") / "tiny")
        return lambda: build_judge(cls.form.format(folder), **cls.options)


class _Clip(_Tiny):
    form = "clip:local-dir:{}"


class TestClip(_Clip):
    make = staticmethod(make_clip)


class TestClipLikeSiglip(_Clip):
    make = staticmethod(clip_models.make_siglip)


class TestClipOfLongContext(_Clip):
    make = staticmethod(clip_models.make_long)


class TestClipWithTextTowerOfHuggingFace(_Clip):
    make = staticmethod(clip_models.make_bert)


# Random models spread their answer over all words, which the judge warns of.
@pytest.mark.filterwarnings("ignore:.* of its probability:UserWarning")
class _Vlm(_Tiny):
    form = "local_vlm:{}"


class TestQwen2(_Vlm):
    make = staticmethod(tiny_vlms.MAKERS["qwen2_vl"])


class TestQwen2AndAHalf(_Vlm):
    make = staticmethod(tiny_vlms.MAKERS["qwen2_5_vl"])


class TestQwen3(_Vlm):
    make = staticmethod(tiny_vlms.MAKERS["qwen3_vl"])


class TestQwen3AndAHalf(_Vlm):
    make = staticmethod(tiny_vlms.MAKERS["qwen3_5"])


class TestLlava(_Vlm):
    make = staticmethod(tiny_vlms.MAKERS["llava"])


class TestIdefics(_Vlm):
    make = staticmethod(tiny_vlms.MAKERS["idefics3"])


class TestSmolVlm(_Vlm):
    make = staticmethod(tiny_vlms.MAKERS["smolvlm"])


class TestInternVl(_Vlm):
    make = staticmethod(tiny_vlms.MAKERS["internvl"])


class TestGemma3(_Vlm):
    make = staticmethod(tiny_vlms.MAKERS["gemma3"])


class TestVlmInCaption(TestLlava):
    options: ClassVar = {"context": "caption"}


class TestVlmExpectingScore(TestQwen3AndAHalf):
    options: ClassVar = {"mode": "expected_score"}


class TestVlmSayingScore(TestLlava):
    options: ClassVar = {"mode": "verbal_score", "context": "caption"}


class TestApi(JudgeContract):
    """Against a server on loopback with a model behind it whose answers depend on what it is shown alone."""

    @pytest.fixture(scope="class")
    @classmethod
    def build(cls) -> Iterator[Callable[[], Judge]]:
        with pytest.MonkeyPatch.context() as patch, ApiServer(ApiModel()) as server:
            patch.setenv("OPENAI_API_KEY", "sk-contract")
            yield lambda: build_judge("api:m", base_url=server.base_url, **cls.options)


class TestApiScore(TestApi):
    options: ClassVar = {"mode": "score", "context": "caption"}


class TestApiSamples(TestApi):
    options: ClassVar = {"mode": "samples"}


class TestApiListwise(TestApi):
    options: ClassVar = {"mode": "listwise"}


class TestConstant(JudgeContract):
    reference = "constant"


class TestLength(JudgeContract):
    reference = "length"


class TestIndex(JudgeContract):
    reference = "index"
    briefed = True


class TestNgram(JudgeContract):
    reference = "ngram"
    briefed = True


class TestPlanted(JudgeContract):
    reference = "planted:auroc=0.7,failures=0.2,step=0.1"
    briefed = True


class TestEnsemble(JudgeContract):
    """Of two planted judges that judged the contract's own dataset."""

    briefed = True

    @pytest.fixture(scope="class")
    @classmethod
    def build(cls, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Judge]:
        runs, members = tmp_path_factory.mktemp("runs"), ("one", "two")
        for seed, name in enumerate(members):
            run_judge(dataset, build_judge(f"planted:failures=0.1,seed={seed}", name=name), runs)
        options = {"dataset": str(dataset.path), "runs": str(runs), "members": members}
        return lambda: build_judge("ensemble:mean-rank", **options)
