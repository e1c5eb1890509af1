"""Prices, image tokens and budgets: worked examples of the providers' pages, and what a user's file may get wrong."""

from __future__ import annotations

import io
import re
import threading
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from alignbench.backends.api.budget import Budget, dollars
from alignbench.backends.api.image_output import output_tokens
from alignbench.backends.api.image_tokens import image_tokens, rule_source
from alignbench.backends.api.prices import FREE, Price, PriceTable
from alignbench.backends.api.usage import image_usage_of, usage_of
from alignbench.errors import BudgetError, UsageError
from alignbench.types import Context, Query
from judges.api.estimate import ApiEstimator
from judges.api.settings import Settings

SHIPPED = PriceTable.read()
OPENAI = "api.openai.com"


# --- the shipped table


@pytest.mark.parametrize("key", sorted(SHIPPED.prices))
def test_a_shipped_price_has_a_source_a_date_and_sane_numbers(key: str) -> None:
    price = SHIPPED.prices[key]
    assert price.source is not None and re.fullmatch(r"https://[\w./-]+", price.source)
    assert price.read is not None and date.fromisoformat(SHIPPED.dated) <= date.fromisoformat(price.read)
    assert 0 < (price.cached or price.input) <= price.input < price.output
    assert price.cache_write is None or price.cache_write == pytest.approx(1.25 * price.input)
    draws = "/gpt-image-" in key
    assert price.batch_factor == (1.0 if "/gpt-image-2.6-" in key else 0.5)
    assert draws or (price.image_rule is not None and image_tokens(price.image_rule, 640, 480) > 0)
    assert price.text_output is None or (draws and price.input < price.text_output < price.output)


# What OpenAI's pages say that an image costs, in dollars.
PER_IMAGE = {
    ("gpt-image-1", "low"): (0.011, 0.016, 0.016),
    ("gpt-image-1", "medium"): (0.042, 0.063, 0.063),
    ("gpt-image-1", "high"): (0.167, 0.25, 0.25),
    ("gpt-image-1-mini", "low"): (0.005, 0.006, 0.006),
    ("gpt-image-1-mini", "medium"): (0.011, 0.015, 0.015),
    ("gpt-image-1-mini", "high"): (0.036, 0.052, 0.052),
    ("gpt-image-1.5", "medium"): (0.034, 0.05, 0.05),
    ("gpt-image-1.5", "high"): (0.133, 0.2, 0.2),
    ("gpt-image-2", "low"): (0.006, 0.005, 0.005),
    ("gpt-image-2", "medium"): (0.053, 0.041, 0.041),
    ("gpt-image-2", "high"): (0.211, 0.165, 0.165),
}


@pytest.mark.parametrize(("model", "quality"), PER_IMAGE)
def test_the_tokens_of_an_image_give_the_published_prices(model: str, quality: str) -> None:
    price = SHIPPED.of(OPENAI, model)
    assert price is not None
    for size, dollars_each in zip(("1024x1024", "1024x1536", "1536x1024"), PER_IMAGE[model, quality], strict=True):
        tokens = output_tokens(model, size, quality)
        assert tokens is not None
        # They are rounded to a thousandth or more, and one for both of gpt-image-1's long sizes.
        assert price.cost(input_tokens=0, output_tokens=tokens) == pytest.approx(dollars_each, abs=2e-3)


def test_the_tokens_of_an_image_by_the_published_table_and_rule() -> None:
    assert [output_tokens("gpt-image-1", size, "low") for size in ("1024x1024", "1024x1536", "1536x1024")] == [
        272,
        408,
        400,
    ]
    assert output_tokens("gpt-image-2", "1024x1024", "high") == 7024
    assert output_tokens("gpt-image-2.5-flare", "1024x1024", "xhigh") == 3122
    assert output_tokens("gpt-image-2", "864x1536", "high") == output_tokens("gpt-image-2", "1536x864", "high")
    assert output_tokens("openai/gpt-image-2-2026-04-21", "1536x1024", "low") == 158
    # What is left to the endpoint counts at the most that it can take.
    assert output_tokens("gpt-image-1", None, None) == output_tokens("gpt-image-1", "auto", "auto") == 6240
    assert output_tokens("gpt-image-1", "1024x1024", "auto") == 4160


@pytest.mark.parametrize(
    ("model", "size", "quality"),
    [
        ("dall-e-3", "1024x1024", "hd"),
        ("gpt-image-2.6-flare", "1024x1024", "low"),
        ("gpt-image-1", "512x512", "low"),
        ("gpt-image-1", "1024x1024", "max"),
        ("gpt-image-2", "1024", "low"),
        ("gpt-image-2", "0x1024", "low"),
        ("gpt-image-2", "1024x1024", "standard"),
    ],
)
def test_the_tokens_of_other_images_are_not_known(model: str, size: str, quality: str) -> None:
    assert output_tokens(model, size, quality) is None


def test_what_an_image_took_and_cost() -> None:
    price = Price(5.0, 32.0, text_output=10.0)
    said = {"input_tokens": 40, "output_tokens": 1356, "output_tokens_details": {"text_tokens": 300}}
    usage = image_usage_of({"data": [{}], "usage": said}, price, 1.5)
    assert (usage.input_tokens, usage.output_tokens, usage.seconds) == (40, 1356, 1.5)
    assert usage.cost_usd == pytest.approx((40 * 5 + 1056 * 32 + 300 * 10) / 1e6)
    assert image_usage_of({"data": [{}]}, price, None).cost_usd is None
    assert image_usage_of({"data": [{}, {}]}, Price(0.0, 0.0, per_image=0.04), None).cost_usd == pytest.approx(0.08)
    lying = {**said, "output_tokens_details": {"text_tokens": 10**9}}
    assert image_usage_of({"data": [{}], "usage": lying}, price, None).cost_usd == pytest.approx((200 + 13560) / 1e6)
    assert image_usage_of({"data": 3, "usage": [1]}, price, None).cost_usd is None


def test_a_dated_model_costs_what_its_base_name_costs_unless_it_stands_there_itself() -> None:
    assert SHIPPED.of(OPENAI, "gpt-4.1-mini-2025-04-14") is SHIPPED.of(OPENAI, "gpt-4.1-mini") is not None
    base, dated = SHIPPED.of(OPENAI, "gpt-4o"), SHIPPED.of(OPENAI, "gpt-4o-2024-05-13")
    assert base and dated and dated.input > base.input


@pytest.mark.parametrize(("host", "model"), [(OPENAI, "gpt-4.1-maxi"), (OPENAI, "gpt-4.1-"), ("example.com", "gpt-4o")])
def test_what_is_not_in_the_table_has_no_price(host: str, model: str) -> None:
    assert SHIPPED.of(host, model) is None


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.1.2.3", "::1", "vllm.localhost"])
def test_a_server_on_this_machine_costs_nothing_and_says_so(host: str) -> None:
    price = SHIPPED.of(host, "any/model")
    assert price is not None and price.cost(input_tokens=10**9, output_tokens=10**9) == 0
    assert "this machine" in str(price.source)


def test_another_machine_of_the_same_network_is_not_this_one() -> None:
    assert SHIPPED.of("192.168.0.7", "m") is None and SHIPPED.of("localhost.example.com", "m") is None


# --- a user's file


def written(folder: Path, text: str) -> Path:
    path = folder / "prices.yaml"
    path.write_text(text)
    return path


def test_a_users_file_extends_the_shipped_one_and_its_entries_win(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "dated: 2026-11-20\nprices:\n  api.openai.com:\n    gpt-4o: {input: 7, output: 8}\n"
        "  127.0.0.1:\n    m: {input: 1, output: 2, image_rule: 'fixed:tokens=9'}\n",
    )
    table = PriceTable.read(path)
    mine = table.of(OPENAI, "gpt-4o")
    # Whole: nothing of the shipped entry is left in it.
    assert mine == Price(input=7.0, output=8.0)
    assert table.of(OPENAI, "gpt-4.1") == SHIPPED.of(OPENAI, "gpt-4.1")
    local = table.of("127.0.0.1", "m")
    assert local is not None and local.image_rule == "fixed:tokens=9"
    assert table.of("127.0.0.1", "other") is FREE
    assert "2026-11-20" in table.dated and SHIPPED.dated in table.dated


ENTRY = "dated: 2026-11-20\nprices:\n  h.org:\n    m:\n      input: 1\n      output: 2\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("- a\n", "line 1.*mapping"),
        ("dated: [\n", "is not YAML"),
        ("prices: {}\n", "line 1.*no `dated`"),
        ("dated: 2026-11-20\n", "no `prices`"),
        ("dated: soon\nprices: {}\n", "line 1.*`dated` is 'soon'.*day"),
        (ENTRY + "surprise: 1\n", "field 'surprise'.*line 7"),
        (ENTRY + "      imput: 3\n", "'imput'.*nearest: input.*line 7"),
        (ENTRY + "      cached: -1\n", "line 7.*`cached` is -1.*0 or more"),
        (ENTRY + "      cached: .nan\n", "line 7.*`cached` is nan"),
        (ENTRY + "      cached: true\n", "line 7.*`cached` is True"),
        (ENTRY + "      cached: cheap\n", "line 7.*`cached` is 'cheap'"),
        (ENTRY + "      batch_factor: 50\n", "line 7.*`batch_factor` is 50.*from 0 to 1"),
        (ENTRY + "      cache_minimum: 1.5\n", "line 7.*`cache_minimum` is 1.5.*whole number"),
        (ENTRY + "      source: 3\n", "line 7.*`source` is 3.*quotes"),
        (ENTRY + "      read: today\n", "line 7.*`read` is 'today'"),
        (ENTRY + "      input: 4\n", "line 7.*'input' stands here again, first in line 5"),
        (ENTRY + "      image_rule: qwen2\n", "line 7.*'qwen2'.*nearest: qwen"),
        (ENTRY + "      image_rule: 'qwen:patsch=28'\n", "line 7.*'patsch'.*nearest: patch"),
        (ENTRY + "      image_rule: 'fixed:tokens=0'\n", "line 7.*'0'.*above 0"),
        (ENTRY + "      image_rule: openai-tiles\n", "line 7.*lacks base"),
        (ENTRY + "    n:\n      input: 1\n", "line 8.*h.org/n has no `output`"),
        (ENTRY + "    n: 5\n", "line 7.*h.org/n must be a mapping"),
        (ENTRY + "  [a]: 5\n", "line 7.*not a name"),
    ],
)
def test_a_wrong_file_is_refused_by_line_and_field(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        PriceTable.read(written(tmp_path, text))
    assert "prices.yaml" in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.yaml cannot be read"):
        PriceTable.read(tmp_path / "nowhere.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"binary\.yaml cannot be read"):
        PriceTable.read(tmp_path / "binary.yaml")


# --- costs


def test_a_cost_counts_cached_and_written_tokens_at_their_own_prices() -> None:
    price = Price(input=2.0, output=10.0, cached=0.2, cache_write=2.5, batch_factor=0.5)
    tokens = {"input_tokens": 1_000_000, "cached_tokens": 300_000, "written_tokens": 100_000}
    assert price.cost(**tokens, output_tokens=50_000) == pytest.approx(0.6 * 2 + 0.3 * 0.2 + 0.1 * 2.5 + 0.05 * 10)
    assert price.cost(**tokens, output_tokens=50_000, batch=True) == pytest.approx(0.5 * (1.2 + 0.06 + 0.25 + 0.5))


def test_tokens_without_a_price_of_their_own_cost_what_input_costs() -> None:
    price = Price(input=2.0, output=10.0)
    plain = price.cost(input_tokens=1000, output_tokens=0)
    assert price.cost(input_tokens=1000, output_tokens=0, cached_tokens=600, written_tokens=400) == pytest.approx(plain)


def test_cached_input_of_older_models_costs_the_same_in_a_job() -> None:
    price = SHIPPED.of(OPENAI, "gpt-4.1")
    assert price is not None
    costs = [price.cost(input_tokens=10**6, output_tokens=0, cached_tokens=10**6, batch=job) for job in (False, True)]
    assert costs == pytest.approx([0.5, 0.5])


def test_usage_is_read_from_a_completion_with_its_details() -> None:
    details = {"cached_tokens": 600, "cache_write_tokens": 100}
    body = {"usage": {"prompt_tokens": 1000, "completion_tokens": 10, "prompt_tokens_details": details}}
    price = Price(input=2.0, output=10.0, cached=0.2, cache_write=2.5)
    usage = usage_of(body, price, seconds=1.5)
    assert (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.seconds) == (1000, 10, 600, 1.5)
    assert usage.cost_usd == pytest.approx((300 * 2 + 600 * 0.2 + 100 * 2.5 + 10 * 10) / 1e6)


@pytest.mark.parametrize(
    "said", [None, [], {}, {"prompt_tokens": "many"}, {"prompt_tokens": True}, {"prompt_tokens": -1}]
)
def test_usage_that_an_endpoint_does_not_say_is_unknown_and_not_free(said: Any) -> None:
    usage = usage_of({"usage": said}, Price(1.0, 1.0), seconds=None)
    assert usage.input_tokens is None and usage.cost_usd is None


# --- image tokens


@pytest.mark.parametrize(
    ("rule", "size", "detail", "tokens"),
    [
        # https://developers.openai.com/api/docs/guides/images-vision, patch-based: gpt-5.4 with detail high.
        ("openai-5.4:multiplier=1.2", (1024, 1024), "high", 1229),
        ("openai-5.4:multiplier=1.2", (2048, 2048), "high", 3000),
        # What others quote from it for gpt-6-astra.
        ("openai-5.6:multiplier=1.2", (1024, 1024), None, 1229),
        ("openai-5.6:multiplier=1.2", (4096, 512), None, 2458),
        # Without a multiplier the count of patches: 4032 x 3024 are 126 x 95 patches, kept whole.
        ("openai-5.6:multiplier=1", (4032, 3024), "original", 11970),
        ("openai-5.6:multiplier=1", (4032, 3024), "low", 16 * 12),
        # Both limits: 8192 x 1024 becomes 2048 x 256.
        ("openai-5.5:multiplier=1", (8192, 1024), "high", 64 * 8),
        ("openai-5.5:multiplier=1", (8000, 8000), "auto", 10_000),
        ("openai-4.1-mini:multiplier=1.62", (1024, 1024), None, 1659),
        # The guide of 2025, tile-based.
        ("openai-tiles:base=85,tile=170", (1024, 1024), "high", 765),
        ("openai-tiles:base=85,tile=170", (2048, 4096), "high", 1105),
        ("openai-tiles:base=85,tile=170", (4096, 8192), "low", 85),
        ("openai-tiles:base=85,tile=170", (512, 512), None, 255),
        # Billed by the API, less 8 tokens of text: community.openai.com, "Vision Pricing calculator", 2025.
        ("openai-tiles:base=85,tile=170", (2049, 513), None, 1453 - 8),
        ("openai-tiles:base=85,tile=170", (2050, 513), None, 773 - 8),
        ("fixed:tokens=1120", (31, 4000), None, 1120),
    ],
)
def test_image_tokens_as_the_provider_counts_them(
    rule: str, size: tuple[int, int], detail: str | None, tokens: int
) -> None:
    assert image_tokens(rule, *size, detail) == tokens
    assert rule_source(rule)


@pytest.mark.parametrize("size", [(1, 1), (1, 60_000), (60_000, 1), (31, 33), (12_345, 6789), (2500, 2500)])
@pytest.mark.parametrize("detail", ["low", "high", "original", "auto", None])
@pytest.mark.parametrize(("name", "most"), [("openai-5.4", 10_000), ("openai-5.5", 10_000), ("openai-4.1-mini", 6144)])
def test_patches_stay_within_the_budget_and_above_nothing(
    size: tuple[int, int], detail: str | None, name: str, most: int
) -> None:
    assert 1 <= image_tokens(f"{name}:multiplier=1", *size, detail) <= most


@pytest.mark.parametrize(
    ("patch", "size", "patches"),
    [
        (28, (1036, 784), 1036),
        (28, (640, 480), 391),
        (28, (5000, 5000), 1225),
        (28, (30, 900), 32),
        (28, (20, 20), 4),
        (32, (1036, 784), 768),
        (32, (5000, 5000), 961),
        (32, (30, 900), 28),
    ],
)
def test_qwen_images_count_as_their_own_processor_resizes_them(patch: int, size: tuple[int, int], patches: int) -> None:
    """The numbers are those of `smart_resize` in transformers 5.23, with these bounds."""
    rule = f"qwen:patch={patch},min_pixels=3136,max_pixels=1003520"
    assert image_tokens(rule, *size) == patches + 2


# --- budgets


def test_a_budget_refuses_what_could_exceed_it_and_says_how_to_go_on() -> None:
    budget = Budget(1.0)
    budget.reserve(0.4)
    budget.settle(0.4, 0.25)
    budget.reserve(0.5)
    with pytest.raises(BudgetError, match=r"\$1\.00.*\$0\.25 is spent, \$0\.50 may come.*\$0\.30.*kept.*--max-cost"):
        budget.reserve(0.3)
    budget.settle(0.5, 0.1)
    budget.reserve(0.3)
    assert budget.spent == pytest.approx(0.35) and budget.reserved == pytest.approx(0.3)


def test_a_limit_counts_what_was_spent_before_it() -> None:
    budget = Budget()
    budget.reserve(0.3)
    budget.settle(0.3, 0.3)
    budget.limit(0.5)
    budget.reserve(0.2)
    with pytest.raises(BudgetError, match=r"\$0\.30 is spent"):
        budget.reserve(0.01)


def test_a_limit_can_be_used_to_the_last_cent() -> None:
    budget = Budget(0.3)
    for _ in range(3):
        budget.reserve(0.1)
    for _ in range(3):
        budget.settle(0.1, 0.1)
    budget.reserve(0.0)
    assert budget.reserved == 0


def test_an_unknown_cost_is_refused_under_a_limit_only() -> None:
    budget = Budget()
    budget.reserve(None)
    budget.settle(None, None)
    assert budget.spent == 0
    budget.limit(1.0)
    with pytest.raises(UsageError, match=r"price file.*`prices`"):
        budget.reserve(None)


def test_a_cost_that_nobody_learnt_counts_at_its_reservation() -> None:
    budget = Budget(1.0)
    budget.reserve(0.8)
    budget.settle(0.8, None)
    assert budget.spent == pytest.approx(0.8)
    with pytest.raises(BudgetError):
        budget.reserve(0.3)


@pytest.mark.parametrize("usd", [-1.0, float("nan"), float("inf")])
def test_a_limit_that_is_no_amount_is_refused(usd: float) -> None:
    with pytest.raises(UsageError, match="from 0 up"):
        Budget(usd)


def test_threads_together_never_exceed_a_limit() -> None:
    budget = Budget(1.0)
    exceeded: list[float] = []

    def work() -> None:
        for _ in range(300):
            try:
                budget.reserve(0.01)
            except BudgetError:
                return
            if budget.spent + budget.reserved > 1.0 + 1e-9:
                exceeded.append(budget.spent)
            budget.settle(0.01, 0.004)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not exceeded and budget.reserved == 0
    assert 0.9 < budget.spent <= 1.0


def test_amounts_are_written_as_people_write_them() -> None:
    assert [dollars(usd) for usd in (0, 1234.5, 0.5, 0.0123, 0.000004)] == [
        "$0.00",
        "$1,234.50",
        "$0.50",
        "$0.012",
        "$4.0e-06",
    ]


# --- estimates


def picture(width: int = 1024, height: int = 1024) -> bytes:
    buffer = io.BytesIO()
    Pillow.new("RGB", (width, height), "navy").save(buffer, "PNG")
    return buffer.getvalue()


def queries(images: int = 2, sentences: int = 4) -> list[Query]:
    texts = tuple(f"There are {place} cats in it." for place in range(sentences))
    return [Query(number, picture(), texts) for number in range(images)]


def captions() -> list[Query]:
    caption = "A cat sits. It is black. It sleeps."
    ranges = ((0, 11), (12, 24), (25, 35))
    return [Query(0, picture(), tuple(caption[a:b] for a, b in ranges), Context(caption, ranges, (0, 1, 2)))]


def estimator(model: str, *, batch: bool = False, table: PriceTable = SHIPPED, **options: Any) -> ApiEstimator:
    return ApiEstimator(Settings.of(model, **options), table, batch=batch)


@pytest.fixture(autouse=True)
def no_base_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def priced(model: str) -> Price:
    price = SHIPPED.of(OPENAI, model)
    assert price is not None
    return price


def test_siblings_of_an_images_first_question_cost_the_cached_price() -> None:
    found = estimator("gpt-4.1-mini").estimate(queries())
    price = priced("gpt-4.1-mini")
    assert found.requests == 8 and found.output_tokens == 8
    assert found.input_tokens is not None and found.cost_usd is not None
    # 1,659 tokens of the image and some of the prompt, in steps of 128.
    cached = 6 * 1664
    assert found.cost_usd == pytest.approx(
        price.cost(input_tokens=found.input_tokens, output_tokens=8, cached_tokens=cached)
    )
    assert 8 * 1659 < found.input_tokens < 8 * 1720


def test_an_image_below_the_least_prefix_is_never_cached() -> None:
    small = [Query(0, picture(128, 128), ("A.", "B."))]
    found = estimator("gpt-4.1-mini").estimate(small)
    assert found.input_tokens is not None
    assert found.cost_usd == pytest.approx(
        priced("gpt-4.1-mini").cost(input_tokens=found.input_tokens, output_tokens=2)
    )
    assert any("no hit" in note for note in found.notes)


def test_where_writing_to_the_cache_costs_money_the_image_is_written_once_or_everything_always() -> None:
    price = priced("gpt-6-luna")
    marked = estimator("gpt-6-luna").estimate(queries())
    unmarked = estimator("gpt-6-luna", cache="none").estimate(queries())
    assert marked.input_tokens is not None and marked.input_tokens == unmarked.input_tokens
    assert marked.cost_usd == pytest.approx(
        price.cost(input_tokens=marked.input_tokens, output_tokens=8, written_tokens=2 * 1229, cached_tokens=6 * 1229)
    )
    assert unmarked.cost_usd == pytest.approx(
        price.cost(input_tokens=marked.input_tokens, output_tokens=8, written_tokens=marked.input_tokens)
    )
    assert unmarked.cost_usd > 2 * marked.cost_usd


def test_a_job_halves_the_price_and_counts_on_no_cache() -> None:
    one_by_one = estimator("gpt-4.1-mini").estimate(queries(sentences=1))
    job = estimator("gpt-4.1-mini", batch=True).estimate(queries(sentences=1))
    assert job.cost_usd == pytest.approx(0.5 * (one_by_one.cost_usd or 0))
    many = estimator("gpt-4.1-mini", batch=True).estimate(queries())
    assert many.input_tokens is not None
    assert many.cost_usd == pytest.approx(
        priced("gpt-4.1-mini").cost(input_tokens=many.input_tokens, output_tokens=8, batch=True)
    )


def test_every_mode_counts_its_own_requests_and_answers() -> None:
    score = estimator("gpt-4.1-mini", mode="score").estimate(queries())
    samples = estimator("gpt-4.1-mini", mode="samples", samples=5, max_tokens=3).estimate(queries())
    listwise = estimator("gpt-4.1-mini", mode="listwise").estimate(captions())
    in_caption = estimator("gpt-4.1-mini", context="caption").estimate(captions())
    assert score.requests == samples.requests == 8
    assert samples.output_tokens == 8 * 5 * 3 and any("5 draws" in note for note in samples.notes)
    assert listwise.requests == 1 and in_caption.requests == 3
    assert listwise.cost_usd is not None and in_caption.cost_usd is not None
    assert score.output_tokens is not None and score.output_tokens > 8
    # The schema of a structured answer is input too.
    assert (score.input_tokens or 0) - (samples.input_tokens or 0) > 8 * 30


@pytest.mark.parametrize(("detail", "tokens"), [("low", 85), ("high", 765), (None, 765)])
def test_the_detail_that_is_asked_for_counts(detail: str | None, tokens: int) -> None:
    found = estimator("gpt-4o", detail=detail).estimate(queries(images=1, sentences=1))
    assert found.input_tokens is not None and 0 < found.input_tokens - tokens < 60


def test_an_unknown_price_is_null_with_what_to_write_into_the_file(tmp_path: Path) -> None:
    found = estimator("some-vlm", base_url="https://api.example.com/v1").estimate(queries())
    assert (found.requests, found.input_tokens, found.cost_usd) == (8, None, None)
    (advice,) = (note for note in found.notes if "the judge's option `prices`" in note)
    # The lines that it shows are a file that works.
    path = written(tmp_path, "\n".join(re.findall(r"`(dated.*?|prices: .*?)`", advice)))
    known = estimator("some-vlm", base_url="https://api.example.com/v1", table=PriceTable.read(path)).estimate(
        queries()
    )
    assert known.input_tokens is not None and known.input_tokens > 8 * 1000
    assert known.cost_usd == pytest.approx((known.input_tokens * 0.15 + 8 * 0.6) / 1e6)


def test_a_server_on_this_machine_is_free_though_its_tokens_are_not_known() -> None:
    found = estimator("m", base_url="http://127.0.0.1:8000/v1").estimate(queries())
    assert found.cost_usd == 0 and found.input_tokens is None
    assert any("charges nothing" in note for note in found.notes)


def test_notes_name_the_prices_their_source_and_their_date() -> None:
    said = " ".join(estimator("gpt-4.1-mini").estimate(queries()).notes)
    for words in ("$0.4", "https://developers.openai.com/api/docs/pricing", "read 2026-10-14", SHIPPED.dated):
        assert words in said
    assert "images-vision" in said and "four bytes" in said


def test_images_that_cannot_be_read_are_counted_apart() -> None:
    found = estimator("gpt-4.1-mini").estimate([Query(0, b"no image", ("A.", "B.")), *queries(images=1)])
    assert found.requests == 4 and any(note.endswith("not asked about: 1") for note in found.notes)


def test_an_estimate_asks_nothing_and_needs_no_key() -> None:
    judge = estimator("gpt-4.1-mini", key_env="NOT_SET_ANYWHERE")
    assert judge.estimate(queries()).cost_usd and judge.spec.mode == "logprob"


def test_what_an_estimate_says_of_a_reasoning_model_is_an_upper_bound_and_called_one() -> None:
    quiet = estimator("gpt-6-luna", reasoning_effort="none").estimate(queries())
    loud = estimator("gpt-6-luna", reasoning_effort="low").estimate(queries())
    assert (loud.cost_usd or 0) > (quiet.cost_usd or 0)
    assert any("reasoning" in note for note in loud.notes) and not any("reasoning" in note for note in quiet.notes)
