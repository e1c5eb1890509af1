"""Joins images and prompts that hang together into clusters."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def prompt_cluster(prompt: str) -> str:
    """The cluster of a prompt: `prompt:` and 16 hex digits of the sha256 of its text."""
    return f"prompt:{hashlib.sha256(prompt.encode()).hexdigest()[:16]}"


def chain_clusters(links: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The cluster of every image that was drawn from a prompt.

    Images of one prompt are one cluster, prompts of one image too, and so on along the chain; it is called after the
    prompt whose name comes first in the alphabet, so that the order of the links does not matter.

    Args:
        links: An image_key and the prompt of that image, in any order.

    Returns:
        The cluster_id by image_key.
    """
    parent: dict[tuple[str, str], tuple[str, str]] = {}

    def root(node: tuple[str, str]) -> tuple[str, str]:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for image_key, prompt in links:
        # The smaller of two roots becomes the parent, so the root of a chain is always a prompt.
        one, other = root(("1 image", image_key)), root(("0 prompt", prompt_cluster(prompt)))
        parent[max(one, other)] = min(one, other)
    return {name: root((kind, name))[1] for kind, name in list(parent) if kind == "1 image"}
