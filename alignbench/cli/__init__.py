"""The command line: arguments in, calls, exit codes; no logic.

Exit codes: 0 done; 1 ran, but something failed (a rule broken, a sentence without a score) or the money ran out; 2
wrong use; 130 interrupted.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence

import click

from alignbench import __version__
from alignbench.cli.group import CommandGroup
from alignbench.cli.output import report_error, tell_warning
from alignbench.errors import AlignbenchError

COMMANDS = {
    "demo": "alignbench.cli.demo:demo",
    "generate": "alignbench.cli.generate:generate",
    "regenerate": "alignbench.cli.regenerate:regenerate",
    "inject": "alignbench.cli.inject:inject",
    "import": "alignbench.cli.imports:import_group",
    "attach-images": "alignbench.cli.attach:attach_images",
    "validate": "alignbench.cli.validate:validate",
    "label": "alignbench.cli.label:label_group",
    "judge": "alignbench.cli.judge:judge",
    "ensemble": "alignbench.cli.ensemble:ensemble",
    "evaluate": "alignbench.cli.evaluate:evaluate",
    "compare": "alignbench.cli.compare:compare",
    "power": "alignbench.cli.power:power",
    "correlate": "alignbench.cli.correlate:correlate",
    "simulate": "alignbench.cli.simulate:simulate",
    "publish": "alignbench.cli.publish:publish",
    "verify": "alignbench.cli.verify:verify",
    "list": "alignbench.cli.listing:list_names",
}

INTERRUPTED = 130

alignbench = CommandGroup(
    COMMANDS,
    name="alignbench",
    help="Measure how well a judge can tell, sentence by sentence, whether a caption is true of an image.",
    epilog="Start with `alignbench demo`. Every command takes --help, and --json for machines.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
click.version_option(__version__, prog_name="alignbench")(alignbench)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: what follows `alignbench`; by default, what this process was started with.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = tell_warning
            code = alignbench.main(given, prog_name="alignbench", standalone_mode=False)
    except (AlignbenchError, click.ClickException) as error:
        return report_error(error, as_json="--json" in given)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted; run the same command again to go on", err=True)
        return INTERRUPTED
    return code if isinstance(code, int) else 0
