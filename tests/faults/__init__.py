"""What goes wrong on real machines, done on purpose: killed, starved, damaged, fed rubbish, and what happens then.

``python -m faults`` in tests/ (``make faults``) tries everything as often as ``table`` says and writes docs/reliability.md;
tests/project/test_faults.py tries a little of each.
"""
