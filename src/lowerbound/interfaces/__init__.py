"""Where people meet the library: the command line, and the explorer.

Only this folder prints.
"""
