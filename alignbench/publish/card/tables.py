"""The tables of the card, out of the facts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from alignbench.panel import INDICES
from alignbench.publish.card.columns import MEANINGS, ROWS
from alignbench.publish.card.markdown import NONE, Column, Written, code, link, plain, table
from alignbench.publish.folder.features import TABLES

Json = Mapping[str, Any]
_LABELS = ("correct", "incorrect", "unknown", "unlabelled")
_TYPE_NAMES = {"double": "float", "timestamp[us, tz=UTC]": "time, UTC"}


def tables_of(facts: Json, loading: Json) -> dict[str, Written]:
    """Every table of the card by name; one that would be empty is an empty text."""
    return {name: make(facts) for name, make in _TABLES.items()} | {
        "configs": _configs(loading),
        "columns": _columns(loading),
    }


def number(value: float) -> str:
    """A whole number with its thousands apart."""
    return f"{value:,}"


def percent(share: float | None) -> str:
    """A share as in `81.3%`."""
    return NONE if share is None else f"{share:.1%}"


def mean(value: float | None) -> str:
    """A mean as in `5.4`."""
    return NONE if value is None else f"{value:.1f}"


def figure(said: Json | None, places: int = 3) -> str:
    """A number with its interval, as in `0.842 [0.812, 0.869]`."""
    if said is None or said["value"] is None:
        return NONE
    ends = "" if said["low"] is None else f" [{said['low']:.{places}f}, {said['high']:.{places}f}]"
    return Written(f"{said['value']:.{places}f}{ends}")


def _configs(loading: Json) -> Written:
    rows = [
        (
            code(said["config_name"]),
            ROWS[said["config_name"]],
            *(number(split["num_examples"]) for split in said["splits"]),
        )
        for said in loading["dataset_info"]
    ]
    splits = [split["name"] for split in loading["dataset_info"][0]["splits"]]
    return table([Column("config"), Column("a row is"), *_numeric(f"rows in {name}" for name in splits)], rows)


def _columns(loading: Json) -> Written:
    parts = []
    for said in loading["dataset_info"]:
        config = said["config_name"]
        rows = [
            (code(field.name), Written(_type_of(field.type)), Written(MEANINGS[config][field.name]))
            for field in TABLES[config]
        ]
        written = table([Column("column"), Column("type"), Column("meaning")], rows)
        parts.append(f"### {plain(config)}\n\nA row is {ROWS[config]}.\n\n{written}")
    return Written("\n\n".join(parts))


def _type_of(kind: Any) -> str:
    said = str(kind)
    if said.startswith("struct"):
        names = [kind.field(place).name for place in range(kind.num_fields)]
        return "image" if names == ["bytes", "path"] else f"struct: {', '.join(map(plain, names))}"
    if said.startswith("list"):
        return f"list of {_type_of(kind.value_type)}"
    return _TYPE_NAMES.get(said, said)


def _splits(facts: Json) -> Written:
    columns = [Column("split"), *_numeric(("clusters", "images", "pairs", "sentences", *_LABELS))]
    names = ("clusters", "images", "pairs", "sentences", *_LABELS)
    rows = [(code(name), *(number(said[key]) for key in names)) for name, said in facts["splits"].items()]
    return table(columns, rows) if len(rows) > 1 else Written("")


def _split_producers(facts: Json) -> Written:
    if len(facts["splits"]) == 1:
        return Written("")
    columns = [Column("sentences of"), *_numeric(facts["splits"])]
    rows = [
        (name, *(number(said["producers"][name]) for said in facts["splits"].values())) for name in facts["producers"]
    ]
    return table(columns, rows)


def _producers(facts: Json) -> Written:
    columns = [Column(name) for name in ("producer", "makes", "revision", "family", "provider", "licence")]
    rows = [
        (
            link(name, said["url"]),
            _makes(said["directions"]),
            code(said["revision"]) if said["revision"] else NONE,
            said["family"] or NONE,
            said["provider"] or NONE,
            said["licence"] or "not known",
        )
        for name, said in facts["producers"].items()
    ]
    return table(columns, rows)


def _makes(directions: Json) -> str:
    kinds = {"image_to_text": "captions", "text_to_image": "images"}
    return ", ".join(f"{count:,} {kinds[name]}" for name, count in directions.items() if count)


def _base_rates(facts: Json) -> Written:
    headers = ("clusters", "pairs", "sentences", *_LABELS, "% correct", "sentences a pair", "words a sentence")
    rows = [
        (
            name,
            *(number(said[key]) for key in ("clusters", "pairs", "sentences", *_LABELS)),
            percent(said["correct_share"]),
            mean(said["sentences_per_pair"]),
            mean(said["words_per_sentence"]),
        )
        for name, said in facts["producers"].items()
    ]
    return table([Column("producer"), *_numeric(headers)], rows)


def _error_types(facts: Json) -> Written:
    kinds = [kind for kind, said in facts["error_types"].items() if said["sentences"]]
    if not kinds:
        return Written("")
    rows = [(name, *(number(said["error_types"][kind]) for kind in kinds)) for name, said in facts["producers"].items()]
    rows.append(("all sentences", *(number(facts["error_types"][kind]["sentences"]) for kind in kinds)))
    rows.append(("all spans", *(number(facts["error_types"][kind]["spans"]) for kind in kinds)))
    return table([Column("producer"), *_numeric(kinds)], rows)


def _by_index(facts: Json) -> Written:
    if not any(said["correct"] + said["incorrect"] for said in facts["producers"].values()):
        return Written("")
    rows = [
        (name, *(_share_of(said["incorrect_by_index"][index]) for index in INDICES))
        for name, said in facts["producers"].items()
    ]
    return table([Column("% incorrect at index"), *_numeric(INDICES)], rows)


def _share_of(said: Json) -> str:
    return NONE if said["share"] is None else f"{said['share']:.1%} of {said['labelled']:,}"


def _sources(facts: Json) -> Written:
    columns = [Column("source"), *_numeric(("images", "missing")), *map(Column, ("origin", "licence", "revision"))]
    rows = [
        (
            link(name, said["url"]),
            number(said["images"]),
            number(said["missing"]),
            _listed(said["origins"], said["images"]),
            _licences(said),
            said["revision"] or NONE,
        )
        for name, said in facts["sources"].items()
    ]
    return table(columns, rows)


def _licences(said: Json) -> str:
    found = dict(said["licences"]) | ({"not known": said["unlicensed"]} if said["unlicensed"] else {})
    return _listed(found, said["images"])


def _listed(counts: Json, total: int) -> str:
    if list(counts.values()) == [total]:
        return str(next(iter(counts)))
    return ", ".join(f"{name} ({count:,})" for name, count in counts.items())


def _domains(facts: Json) -> Written:
    rows = [(name, number(count)) for name, count in facts["domains"].items()]
    return table([Column("domain"), *_numeric(["pairs"])], rows) if len(rows) > 1 else Written("")


_AUROC = Written("AUROC [95% CI]")


def _leaderboard(facts: Json) -> Written:
    said = facts["evaluation"]
    if said is None:
        return Written("")
    producers = list(said["producers"])
    columns = [
        Column("judge"),
        Column("control"),
        Column("rank"),
        *_numeric((_AUROC, "coverage", *producers)),
    ]
    rows = [
        (
            judge["name"],
            judge["control"] or "",
            _rank(judge["rank"]),
            figure(judge["auroc"]),
            percent(judge["coverage"]),
            *(_short(judge["by_producer"].get(name)) for name in producers),
        )
        for judge in said["judges"]
    ]
    return table(columns, rows)


def _rank(rank: Json) -> str:
    if rank["low"] is None:
        return NONE
    return str(rank["low"]) if rank["low"] == rank["high"] else f"{rank['low']}{NONE}{rank['high']}"


def _short(said: Json | None) -> str:
    return NONE if said is None or said["value"] is None else f"{said['value']:.2f}"


def _judges(facts: Json) -> Written:
    if not facts["runs"]:
        return Written("")
    headers = ("judge", code("judge_id"), "kind", "model", "revision", "mode", "shown", "licence")
    columns = [Column(name) for name in headers]
    rows = [
        (
            run["name"],
            code(run["judge_id"]),
            run["kind"],
            run["model"],
            code(run["revision"]) if run["revision"] else NONE,
            run["mode"] or NONE,
            run["context"],
            run["licence"] or NONE,
            number(run["judgments"] - run["statuses"].get("ok", 0)),
        )
        for run in facts["runs"]
    ]
    return table([*columns, *_numeric(["answers without a score"])], rows)


def _agreement(facts: Json) -> Written:
    said = facts["agreement"]
    if said is None:
        return Written("")
    rows = [("all producers", *_agreed(said)), *((name, *_agreed(each)) for name, each in said["by_producer"].items())]
    return table([Column("sentences of"), *_numeric(("sentences", "votes", *_AGREEMENTS.values()))], rows)


def _agreed(said: Json) -> list[str]:
    basis = said["krippendorff_alpha"]
    return [number(basis["sentences"]), number(basis["votes"]), *(figure(said[key]) for key in _AGREEMENTS)]


def _type_agreement(facts: Json) -> Written:
    said = facts["agreement"]
    kinds = {kind: each for kind, each in (said["by_error_type"] if said else {}).items() if _is_said(each)}
    if not kinds:
        return Written("")
    rows = [(kind, *(figure(each[key]) for key in _OF_TYPES)) for kind, each in kinds.items()]
    return table([Column("error type"), *_numeric(_OF_TYPES.values())], rows)


def _is_said(each: Json) -> bool:
    return any(each[key]["value"] is not None for key in _OF_TYPES)


_AGREEMENTS = {
    "fleiss_kappa": "Fleiss' kappa",
    "krippendorff_alpha": "Krippendorff's alpha",
    "mean_agreement": "agreement",
    "chance_agreement": "by chance",
    "span_f1": "span F1",
    "span_f1_typed": "span F1, same type",
}
_OF_TYPES = {"krippendorff_alpha": "Krippendorff's alpha", "span_f1": "span F1"}


def _shown(facts: Json) -> Written:
    pair = facts["shown"]
    if pair is None:
        return Written("")
    rows = [
        (
            number(said["index"]),
            said["text"],
            said["label"] or NONE,
            Written("; ".join(f"{code(span['words'])} ({plain(span['error_type'])})" for span in said["spans"])),
        )
        for said in pair["sentences"]
    ]
    return table([Column("index", numeric=True), *map(Column, ("sentence", "label", "wrong words"))], rows)


def _waivers(facts: Json) -> Written:
    rows = [(code(said["check"]), said["name"], said["why"]) for said in facts["waivers"]]
    return table([Column("check"), Column("name"), Column("why")], rows) if rows else Written("")


def _numeric(headers: Iterable[str]) -> list[Column]:
    return [Column(header, numeric=True) for header in headers]


_TABLES: Mapping[str, Callable[[Json], Written]] = {
    "splits": _splits,
    "split_producers": _split_producers,
    "producers": _producers,
    "base_rates": _base_rates,
    "error_types": _error_types,
    "by_index": _by_index,
    "sources": _sources,
    "domains": _domains,
    "leaderboard": _leaderboard,
    "judges": _judges,
    "agreement": _agreement,
    "type_agreement": _type_agreement,
    "shown": _shown,
    "waivers": _waivers,
}
