"""A function with two layers: what changes rarely, and what changes often."""

import pulumi

from pulumi_python_layer import PythonFunction, PythonLayer

# Large and rarely changed: built and uploaded once. The function's own layer has the rest.
numbers = PythonLayer("numbers", requirements="numbers", runtime="python3.11")
report = PythonFunction("report", entry="report", runtime="python3.11", layers=[numbers])

pulumi.export("function", report.function_name)
