"""The page of what can be read, ``docs/formats.md``: every format, as ``FORMATS`` has it."""

from __future__ import annotations

from lowerbound.data.arrays import LABELS, VALUES
from lowerbound.data.formats import FORMATS, PICKLED, Format
from lowerbound.data.named import NAMED
from lowerbound.data.named_arrays import NAMES
from lowerbound.recipes.page import option
from lowerbound.recipes.recipe import READING

HEADER = "header"  # which is on, and so typed to be put off
HEAD = """# What can be read

By name, or as a file or folder; the first row that a source fits is taken. Suffixes may be in capitals. `lowerbound data SOURCE` says what
is read of a source, and each option that it has not is refused. What numbers, axes and folders mean: [data](guide/data.md).
This page is what `lowerbound.recipes.format_page.page()` gives.
"""
ARRAYS = """## Names of arrays

In files of several arrays, and in folders of them, these are looked for in order; a group in HDF5 that is called `train`, `val` or
`test` is that part. What is not read is named in a note.
"""


def _options(row: Format) -> str:
    typed = {keyword: option(word if word != HEADER else f"no-{HEADER}") for word, keyword in READING.items()}
    return " ".join(f"`{name}`" for keyword, name in typed.items() if keyword in row.options)


def page() -> str:
    """The page as Markdown: a table of formats, the sets known by name, and the names of arrays."""
    rows = [f"| {name} | {row.files} | {row.text} | {_options(row)} | {row.library} |" for name, row in FORMATS.items()]
    table = "\n".join(["| what | files | what is read | options | by |", "|---|---|---|---|---|", *rows])
    named = "\n".join(["| name | what |", "|---|---|", *(f"| `{name}` | {source.description} |" for name, source in NAMED.items())])
    parts = [
        f"| {part} | {', '.join(f'`{values}`' for values, _ in names)} | {', '.join(dict.fromkeys(f'`{labels}`' for _, labels in names))} |"
        for part, names in NAMES.items()
    ]
    values, labels = (", ".join(f"`{name}`" for name in names) for names in (VALUES, LABELS))
    arrays = "\n".join(["| part | values | labels |", "|---|---|---|", f"| all | {values} | {labels} |", *parts])
    pickled = f"Pickles ({', '.join(f'`{suffix}`' for suffix in PICKLED)}) may run any code when they are read, and are refused."
    return "\n".join([HEAD, table, "\n" + pickled + "\n", f"## By name\n\n{named}\n", ARRAYS, arrays, ""])
