"""Figures and pages from numbers and images.

table.py is the table of a run's figures; charts.py, images.py and panels.py plot arrays and do not depend on models.
"""
