"""Measures grugen beside the frameworks that can run the same cell; `grugen bench`.

suites      names, or shapes and specs        -> Case
draw        Case                              -> arrays, the same for every engine
reference   Case                              -> what every engine has to compute
workers     one process an engine, builds once, then runs when asked
measure     Case                              -> Measurement of every engine, interleaved
results     Measurements and the machine      -> JSON, and back
table, plots, readme                          -> text and pictures from the JSON alone
"""
