"""Which split every pair is in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from alignbench.errors import PublishError
from alignbench.parquet import open_parquet
from alignbench.publish.folder.damage import reading_dataset
from alignbench.store import Dataset

SPLIT_SEED = 0
"""Of the assignment. It is no setting: a pair stays in its split from version to version."""

SplitNumbers = npt.NDArray[np.int16]
"""(pairs,) the number of each pair's split, among the splits in the order they were given."""


def assign(dataset: Dataset, shares: Mapping[str, float]) -> SplitNumbers:
    """The split of every pair, in file order.

    Clusters that share an image or a caption go to one split together, so that no split tells of another. Where such a
    group goes is decided by the sha256 of `SPLIT_SEED` and its first cluster_id by name, so pairs that are added later
    leave the others where they are, unless they join groups.

    Args:
        dataset: What is split.
        shares: The split names and their shares of the groups; the shares sum to 1.

    Raises:
        PublishError: A split would be empty.
    """
    if len(shares) == 1:
        return np.zeros(dataset.counts["pairs"], np.int16)
    clusters, cluster_of, group_of_cluster = _groups(dataset)
    roots: dict[int, str] = {}
    for name, group in sorted(zip(clusters, group_of_cluster.tolist(), strict=True)):
        roots.setdefault(group, name)
    bounds = np.cumsum(list(shares.values()))[:-1]
    number = np.array([np.searchsorted(bounds, _place(roots[group]), "right") for group in sorted(roots)], np.int16)
    split = number[group_of_cluster[cluster_of]]
    empty = [name for place, name in enumerate(shares) if not (split == place).any()]
    if empty:
        raise PublishError(
            f"the split {empty[0]!r} gets none of the {len(roots)} groups of clusters of {dataset.path} "
            "(a group shares its images and captions with no other); give it a larger share or leave it out of `splits`"
        )
    return split


def _place(root: str) -> float:
    return int.from_bytes(hashlib.sha256(f"{SPLIT_SEED}\n{root}".encode()).digest()[:8]) / 2**64


def _groups(dataset: Dataset) -> tuple[list[str], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The clusters, the cluster of every pair, and the group of every cluster: linked by images and captions."""
    clusters: dict[str, int] = {}
    content: dict[bytes, int] = {}
    bytes_of = _sha256_of_images(dataset)
    cluster_of: list[int] = []
    edges: list[tuple[int, int]] = []
    with reading_dataset(dataset.path), open_parquet(dataset.path / "pairs.parquet") as file:
        for batch in file.iter_batches(columns=["cluster_id", "image_key", "caption"]):
            for row in batch.to_pylist():
                cluster = clusters.setdefault(row["cluster_id"], len(clusters))
                cluster_of.append(cluster)
                for part in (f"caption {row['caption']}", f"image {bytes_of.get(row['image_key'], row['image_key'])}"):
                    digest = hashlib.sha256(part.encode()).digest()[:16]
                    edges.append((cluster, content.setdefault(digest, len(content))))
    left, right = np.array(edges, np.intp).T
    size = len(clusters) + len(content)
    graph = coo_array((np.ones(len(edges), np.int8), (left, right + len(clusters))), shape=(size, size))
    _, group = connected_components(graph, directed=False)
    return list(clusters), np.array(cluster_of, np.intp), group[: len(clusters)].astype(np.intp)


def _sha256_of_images(dataset: Dataset) -> dict[str, str]:
    table = dataset.images_table(["image_key", "sha256"])
    rows = zip(table["image_key"].to_pylist(), table["sha256"].to_pylist(), strict=True)
    return {key: sha256 for key, sha256 in rows if sha256 is not None}
