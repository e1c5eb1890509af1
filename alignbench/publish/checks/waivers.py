"""Which findings the publisher takes on."""

from __future__ import annotations

from collections.abc import Sequence

from alignbench.publish.checks.finding import Finding
from alignbench.publish.terms.publication import FILE, Publication

CHECK = "waivers"


def waived(findings: Sequence[Finding], publication: Publication) -> tuple[list[Finding], list[Finding]]:
    """The findings that still block, and those that the publication waives by check and exact name.

    A waiver that waives nothing blocks too: what it was written for is gone, or is called otherwise.
    """
    waivers = {(each.check, each.name) for each in publication.waive}
    taken = [finding for finding in findings if (finding.check, finding.name) in waivers]
    blocking = [finding for finding in findings if (finding.check, finding.name) not in waivers]
    used = {(finding.check, finding.name) for finding in taken}
    for each in publication.waive:
        if (each.check, each.name) not in used:
            of_check = [finding.name for finding in blocking if finding.check == each.check]
            near = f"; that check finds: {', '.join(map(repr, of_check[:5]))}" if of_check else ""
            told = f"{FILE} waives {each.name!r} of the check {each.check!r}, but there is no such finding{near}"
            blocking.append(
                Finding(CHECK, f"{each.check} {each.name}", f"{told}; take the waiver out, or write the name as found")
            )
    return blocking, taken
