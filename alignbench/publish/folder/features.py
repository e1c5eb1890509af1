"""The columns of the published tables, and what others' loaders read of them: Hub features, in parquet and in YAML.

The notation is that of the `datasets` library (`Features.to_dict` and `Features._to_yaml_list`), written without it; a
test compares the two.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from alignbench import schema
from alignbench.publish.folder.layout import JUDGMENTS, LABELS, PAIRS, SENTENCES

IMAGE = "image"
IMAGE_TYPE = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
"""An image as the `datasets` library keeps it, and as the Hub's viewer shows it."""

PAIR_ROW = "pair_row"
IMAGE_ROW = "image_row"
EVENT_ROW = "event_row"
"""The place of a pair, an image or a label event in the dataset's own table, from 0: splits merge back by it."""

IMAGE_COLUMNS = MappingProxyType(
    {
        "sha256": "image_sha256",
        "width": "width",
        "height": "height",
        "origin": "origin",
        "source": "source",
        "licence": "licence",
        "url": "url",
        "provenance": "image_provenance",
    }
)
"""What the columns of the images table are called in the published pairs; the key is the pair's own `image_key`."""


def _open(kind: pa.DataType) -> pa.DataType:
    # The library knows no column that must not be null, and takes its own features only where the types are the same.
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, _open(field.type)) for field in kind])
    if pa.types.is_list(kind):
        return pa.list_(pa.field("element", _open(kind.value_type)))
    return kind


def _columns(*given: pa.Field) -> pa.Schema:
    return pa.schema([pa.field(field.name, _open(field.type)) for field in given])


def _image_fields() -> list[pa.Field]:
    return [pa.field(name, schema.IMAGES.field(own).type) for own, name in IMAGE_COLUMNS.items()]


TABLES: Mapping[str, pa.Schema] = MappingProxyType(
    {
        PAIRS: _columns(
            pa.field(IMAGE, IMAGE_TYPE),
            *schema.PAIRS,
            *_image_fields(),
            pa.field(PAIR_ROW, pa.int64()),
            pa.field(IMAGE_ROW, pa.int64()),
        ),
        SENTENCES: _columns(
            *schema.SENTENCES,
            *(pa.field(name, pa.string()) for name in ("producer", "direction", "cluster_id")),
        ),
        JUDGMENTS: _columns(*schema.JUDGMENTS, pa.field("judge", pa.string())),
        LABELS: _columns(*schema.LABELS, pa.field(EVENT_ROW, pa.int64())),
    }
)
"""The columns of every config. `producer` of a sentence and `judge` of a judgment are names."""


def published_schema(config: str) -> pa.Schema:
    """The columns of a config with the features that the `datasets` library and the Hub's viewer look for."""
    features = {field.name: _feature(field.name, field.type) for field in TABLES[config]}
    said = json.dumps({"info": {"features": features}})
    return TABLES[config].with_metadata({"huggingface": said})


def yaml_features(config: str) -> list[dict[str, Any]]:
    """The columns of a config as the card's YAML says them."""
    return [{"name": field.name, **_yaml(field.name, field.type)} for field in TABLES[config]]


def _feature(name: str, kind: pa.DataType) -> dict[str, Any]:
    if name == IMAGE and kind == IMAGE_TYPE:
        return {"_type": "Image"}
    if pa.types.is_struct(kind):
        return {field.name: _feature(field.name, field.type) for field in kind}
    if pa.types.is_list(kind):
        return {"feature": _feature("", kind.value_type), "_type": "List"}
    return {"dtype": _dtype(kind), "_type": "Value"}


def _yaml(name: str, kind: pa.DataType) -> dict[str, Any]:
    if name == IMAGE and kind == IMAGE_TYPE:
        return {"dtype": "image"}
    if pa.types.is_struct(kind):
        return {"struct": [{"name": field.name, **_yaml(field.name, field.type)} for field in kind]}
    if pa.types.is_list(kind):
        inner = _yaml("", kind.value_type)
        return {"list": next(iter(inner.values()))}
    return {"dtype": _dtype(kind)}


def _dtype(kind: pa.DataType) -> str:
    return {"double": "float64"}.get(str(kind), str(kind))
