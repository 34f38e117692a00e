"""Numbers and images → figures and pages.

of_run.py is the table of a run's figures; the others draw arrays and know of no model.
"""
