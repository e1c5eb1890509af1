"""The checks that block a publication: each looks at the built folder and lists all it finds."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from alignbench.publish.checks.dataset import find_dataset
from alignbench.publish.checks.finding import Finding as Finding
from alignbench.publish.checks.images import find_images
from alignbench.publish.checks.licences import find_licences
from alignbench.publish.checks.paths import Machine
from alignbench.publish.checks.revisions import find_revisions
from alignbench.publish.checks.rows import find_rows
from alignbench.publish.checks.secrets import Secrets
from alignbench.publish.checks.splits import find_splits
from alignbench.publish.checks.text import Searches, find_in_strings
from alignbench.publish.checks.waivers import waived as waived
from alignbench.publish.terms.publication import Publication
from alignbench.store import Dataset


def find_violations(
    folder: Path, dataset: Dataset, publication: Publication, *, environment: Mapping[str, str] = os.environ
) -> list[Finding]:
    """All that keeps a built folder from being published.

    The order is that of the checks: secrets, paths, addresses, licences, revisions, splits, rows, images, dataset. The
    files are read as streams; a damaged one is a finding, and what the others say is still looked at.

    Args:
        folder: The folder that was built.
        dataset: The dataset that it was built from.
        publication: What the publisher says; no waiver counts here, see `waived`.
        environment: The environment variables: values of those that hold a secret are looked for, and the names of the
            user, the home folder and the machine.

    Raises:
        DatasetError: The dataset cannot be read.
    """
    said = json.dumps(publication.model_dump(mode="json", exclude={"waive"}), ensure_ascii=False)
    searches = Searches(Machine.of(environment, said), Secrets.of(environment))
    return [
        *find_in_strings(folder, searches),
        *find_licences(folder, dataset, publication),
        *find_revisions(folder, dataset, publication),
        *find_splits(folder),
        *find_rows(folder),
        *find_images(folder, searches),
        *find_dataset(dataset),
    ]
