"""What can run a cell: each module has functions that turn a job into something to run.

A module imports its framework at the top and is itself imported only by the process that runs it.
"""
