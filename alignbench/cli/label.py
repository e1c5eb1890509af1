"""`alignbench label`: labels by people, out and in."""

from __future__ import annotations

from alignbench.cli.group import CommandGroup

label_group = CommandGroup(
    {
        "export": "alignbench.cli.label_export:export",
        "import": "alignbench.cli.label_import:import_labels",
        "resolve": "alignbench.cli.label_resolve:resolve",
        "history": "alignbench.cli.label_history:history",
        "agreement": "alignbench.cli.label_agreement:agreement",
        "queue": "alignbench.cli.label_queue:queue",
        "effect": "alignbench.cli.label_effect:effect",
    },
    name="label",
    help="Labels by people: give sentences out, take labels in, see how far people agree and what corrections change.",
)
