"""What every column of the published tables means, in a line each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from alignbench.publish.folder.layout import JUDGMENTS, LABELS, PAIRS, SENTENCES

ROWS: Mapping[str, str] = MappingProxyType(
    {
        PAIRS: "an image and a caption",
        SENTENCES: "a sentence of a caption, with its label",
        JUDGMENTS: "what a judge answered for a sentence",
        LABELS: "what somebody said of a sentence, and when; rows are added, never changed",
    }
)
"""What one row of each config is."""

_IMAGE = {
    "image": "the image, its original bytes; null where they may not be passed on",
    "pair_id": "the id of the pair",
    "image_key": "the id of the image, also where it is missing",
    "caption": "the caption, whole",
    "producer": "who made the side that can be wrong: name, revision, family, provider",
    "direction": "`image_to_text`: the producer wrote the caption; `text_to_image`: it drew the image",
    "domain": "what the pair is about, or null",
    "cluster_id": "the source image or the prompt: pairs of one cluster are not independent",
    "provenance": "how the pair was made, as JSON",
    "image_sha256": "of the image's bytes",
    "width": "in pixels, as a viewer shows it",
    "height": "in pixels",
    "origin": "`real` or `generated`",
    "source": "where the image comes from",
    "licence": "of this image, where it carries one",
    "url": "where its publisher keeps it",
    "image_provenance": "how the image was made, as JSON",
    "pair_row": "the place of the pair in the dataset, over all splits",
    "image_row": "the place of the image in the dataset, over all splits",
}
_SENTENCE = {
    "sentence_id": "the id of the sentence",
    "pair_id": "the pair it stands in",
    "index": "its place in the caption, from 0",
    "start": "where it begins: `caption[start:end] == text`, counted in Unicode code points",
    "end": "where it ends, not included",
    "text": "the sentence",
    "label": "`correct`, `incorrect`, `unknown` (the image does not decide it), or null (nobody has labelled it)",
    "error_types": "what is wrong with an incorrect sentence",
    "spans": "the wrong words: `text[start:end]` in code points, each with its error type",
    "votes": "how many chose each label, with the agreement; null where there were no votes",
    "producer": "the name of the pair's producer",
    "direction": "that of the pair",
    "cluster_id": "that of the pair",
}
_JUDGMENT = {
    "sentence_id": "the sentence",
    "judge_id": "the judge as a value: model, revision, prompt, mode and options; in full in `judges.json`",
    "score": "higher is better aligned; null exactly where `status` is not `ok`",
    "status": "`ok`, or why there is no score",
    "truncated": "whether the model saw only the first part of the sentence",
    "marks": "where the judge holds the sentence to be wrong, if it says so",
    "raw": "what the score was read from, as JSON",
    "input_tokens": "what the answer took; null where not measured",
    "cached_tokens": "the part of the input that was read from a cache",
    "output_tokens": "likewise",
    "seconds": "likewise",
    "cost_usd": "likewise, in US dollars",
    "attempts": "how often the sentence was asked",
    "judge": "the name of the judge",
}
_LABEL = {
    "event_id": "the id of the event",
    "sentence_id": "the sentence",
    "text": "what was read",
    "annotator": "who, by a pseudonym",
    "role": "`baseline`, `annotator` or `adjudicator`",
    "time": "when",
    "label": "what they said; null where they took it back or passed the sentence over",
    "error_types": "as in `sentences`",
    "spans": "as in `sentences`",
    "votes": "of a baseline: the votes it came with",
    "comment": "their words",
    "guideline": "the fingerprint of the guidelines they worked by",
    "tool": "what recorded it",
    "suggested_by": "the judge_id of the judge whose suggestion they saw, or null",
    "seconds": "how long it took",
    "event_row": "the place of the event in the dataset, over all splits",
}
MEANINGS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {PAIRS: _IMAGE, SENTENCES: _SENTENCE, JUDGMENTS: _JUDGMENT, LABELS: _LABEL}
)
"""What each column means, by config and column; markdown."""
