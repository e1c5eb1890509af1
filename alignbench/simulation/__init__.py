"""Planted truth: worlds in which every number is known before it is estimated."""

from alignbench.simulation.files import write_dataset as write_dataset
from alignbench.simulation.files import write_run as write_run
from alignbench.simulation.simulate import Simulated as Simulated
from alignbench.simulation.simulate import simulate as simulate
from alignbench.simulation.world import SimulatedJudge as SimulatedJudge
from alignbench.simulation.world import SimulatedProducer as SimulatedProducer
from alignbench.simulation.world import World as World
