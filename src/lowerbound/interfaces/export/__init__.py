"""Export: a run as files that run without it, as graphs of tensors or as weights and words."""

from lowerbound.interfaces.export.writing import Exported as Exported
from lowerbound.interfaces.export.writing import export as export
