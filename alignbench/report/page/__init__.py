"""The report as one HTML page that needs nothing else."""

from alignbench.report.page.page import page as page
