"""Vision-language models so small that a moment's training teaches them answers."""

from __future__ import annotations

import pytest
import torch
import transformers as hf
from PIL import Image as Pillow

from alignbench.backends.vlm import Vlm
from alignbench.types import ModelRef


def speaking(tokenizer: hf.PreTrainedTokenizerFast) -> Vlm:
    """A LLaVA with this tokenizer, so small that a moment's training teaches it answers."""
    vision = hf.CLIPVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=16, patch_size=8
    )
    text = hf.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=1024,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    config = hf.LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_select_strategy="default",
        vision_feature_layer=-1,
    )
    front = hf.LlavaProcessor(
        hf.CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}),
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=tokenizer.chat_template,
    )
    front.tokenizer.padding_side = "left"
    torch.manual_seed(0)
    model = hf.LlavaForConditionalGeneration(config).eval()
    return Vlm(model, front, ModelRef("speaking"), "float32", "cpu")


def teach(vlm: Vlm, answers: dict[str, str], image: Pillow.Image) -> None:
    """Train the model until it gives these answers to these prompts; one that ends with `...` has no end."""
    rows = []
    for prompt, answer in answers.items():
        inputs = vlm.encode([image], [prompt])
        said = vlm.tokenizer(answer.removesuffix("..."), add_special_tokens=False)["input_ids"]
        ids = said * 20 if answer.endswith("...") else [*said, vlm.tokenizer.eos_token_id]
        target = torch.tensor([ids])
        start = inputs["input_ids"].shape[1]
        inputs["input_ids"] = torch.cat([inputs["input_ids"], target], 1)
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        rows.append((inputs, target[0], start))
    optimizer = torch.optim.Adam(vlm.model.parameters(), lr=0.005)
    for _ in range(400):
        optimizer.zero_grad()
        losses = [
            torch.nn.functional.cross_entropy(vlm.model(**inputs).logits[0, start - 1 : -1], target)
            for inputs, target, start in rows
        ]
        if max(losses) < 0.01:
            return
        sum(losses).backward()
        optimizer.step()
    pytest.fail(f"the model did not learn its answers: {losses}")
