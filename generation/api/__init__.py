"""Models behind any endpoint that speaks OpenAI's protocol, as captioners, image models and writers of texts."""

from __future__ import annotations

from generation.api.captioner import ApiCaptioner as ApiCaptioner
from generation.api.image_model import ApiImageModel as ApiImageModel
from generation.api.text_model import ApiTextModel as ApiTextModel
