"""What people put beside a paper: the results as figures."""

from alignbench.report.figures.gallery import FIGURES as FIGURES
from alignbench.report.figures.gallery import Gallery as Gallery
from alignbench.report.figures.gallery import draw_all as draw_all
from alignbench.report.figures.gallery import gallery as gallery
from alignbench.report.figures.gallery import write_figures as write_figures
from alignbench.report.figures.svg import Drawn as Drawn
