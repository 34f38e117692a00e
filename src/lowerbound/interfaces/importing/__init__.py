"""Models of other libraries, brought along: their weights in a run's folder."""

from lowerbound.interfaces.importing.pythae import pythae as pythae
from lowerbound.interfaces.importing.state import state as state
