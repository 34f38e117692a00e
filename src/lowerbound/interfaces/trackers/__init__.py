"""Trackers: programs that keep and show the curves of many trainings, each given those of a run as an observer."""
