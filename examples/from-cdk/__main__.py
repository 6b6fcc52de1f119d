"""What a CDK program with `PythonFunction` and `PythonLayerVersion` becomes; README.md has both side by side."""

import pulumi

from pulumi_python_layer import PythonFunction, PythonLayer

shared = PythonLayer("shared", requirements="shared", runtime="python3.11")
invoices = PythonFunction(
    "invoices",
    entry="app",
    runtime="python3.11",
    layers=[shared],
    environment={"variables": {"CURRENCY": "EUR"}},
    memory_size=256,
    timeout=10,
)

pulumi.export("function", invoices.function_name)
