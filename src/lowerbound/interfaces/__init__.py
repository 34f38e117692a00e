"""Where people meet the library: the command line.

Only this folder prints.
"""
