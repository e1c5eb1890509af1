"""What a recipe would take, told before anything is done: `alignbench generate RECIPE --dry-run`.

build     puts a forecast together
counts    rows of each model, quotas and the loop included
weights, seconds, dollars, disk    what they take
facts, models.yaml    what is known of models and devices beforehand
lengths   what is taken for granted
told      writes it for people
"""

from generation.forecast.build import DEVICE as DEVICE
from generation.forecast.build import forecast as forecast
from generation.forecast.shape import Forecast as Forecast

__all__ = ["DEVICE", "Forecast", "forecast"]
