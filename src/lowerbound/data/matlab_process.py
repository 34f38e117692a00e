"""Run by itself, as ``python matlab_process.py FILE.mat FILE.npz``: the plain arrays of a MATLAB file, and the names of what else it holds.

On some damaged files SciPy's reader ends its process (1.17.1), so it has one of its own. This file imports nothing of the package: that
would take longer than the reading.
"""

import sys
from typing import Any

HDF5, DAMAGED = 3, 4
DENSE = 10**8  # numbers of a sparse matrix that is made dense
UNREAD = "unread names"  # no variable of MATLAB's has a space in its name


def plain(value: Any) -> Any:
    """Cells of text as text, a sparse matrix as a dense one where that is not large; others unchanged."""
    import numpy as np
    from scipy import sparse

    if sparse.issparse(value):
        return value.toarray() if np.prod(value.shape) <= DENSE else value
    if isinstance(value, np.ndarray) and value.dtype.kind == "O":
        cells = [np.atleast_1d(cell) for cell in value.ravel()]
        if all(cell.dtype.kind == "U" and cell.size <= 1 for cell in cells):
            return np.array(["".join(cell) for cell in cells])
    return value


def main(source: str, target: str) -> int:
    """The exit code; what is wrong is the last line on stderr."""
    import numpy as np
    import scipy.io

    try:
        found = scipy.io.loadmat(source)
    except NotImplementedError:  # SciPy's word for version 7.3
        return HDF5
    except Exception as error:  # damaged files make it raise any kind of exception
        sys.stderr.write(" ".join(str(error).split())[:100] or type(error).__name__)
        return DAMAGED
    held = {name: plain(value) for name, value in found.items() if not name.startswith("__")}
    arrays = {name: value for name, value in held.items() if isinstance(value, np.ndarray) and value.dtype.kind in "biufU"}
    arrays[UNREAD] = np.array([name for name in held if name not in arrays], np.str_)
    np.savez(target, **arrays)  # type: ignore[arg-type]  # its stub takes the names for its own argument
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
