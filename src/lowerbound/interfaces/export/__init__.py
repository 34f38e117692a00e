"""Export: a run as files that run without it, as graphs of tensors or as weights and words."""

from lowerbound.interfaces.export.export import Exported as Exported
from lowerbound.interfaces.export.export import export as export
