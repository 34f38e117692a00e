"""A recipe → parts: the options of a run, the tables of what each word makes, and models by the names under which they are known.

The tables here import nothing heavy; a class is imported when a word asks for it.
"""

from lowerbound.recipes.recipe import Recipe, merge, read, to_toml

__all__ = ["Recipe", "merge", "read", "to_toml"]
