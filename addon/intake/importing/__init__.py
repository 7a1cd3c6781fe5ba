"""History that other tools kept, as calls for the journal: a file for each tool, with the source of its format beside it.

Pure but for reading the files that are named. `sources.py` has the list; `heliograph import` is the command.
"""
