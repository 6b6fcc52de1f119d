"""A function with the layer of another stack."""

import pulumi

from pulumi_python_layer import PythonFunction

layers = pulumi.StackReference(f"{pulumi.get_organization()}/python-layer-shared-layer/{pulumi.get_stack()}")
hello = PythonFunction(
    "hello",
    entry="hello",
    runtime="python3.11",
    dependencies="none",
    layers=[layers.require_output("arn")],
)

pulumi.export("function", hello.function_name)
