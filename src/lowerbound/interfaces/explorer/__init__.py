"""The explorer as it is met: in a notebook, as a file, and served on this machine."""

from lowerbound.interfaces.explorer.explorer import Explorer as Explorer
from lowerbound.interfaces.explorer.explorer import explore as explore
