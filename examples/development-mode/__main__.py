"""A function that installs its dependencies itself, for experiments."""

import pulumi

from pulumi_python_layer import PythonFunction

trial = PythonFunction(
    "trial",
    entry="trial",
    runtime="python3.11",
    dependencies="at-cold-start",
    # The install takes part in both.
    timeout=60,
    memory_size=1769,
)

pulumi.export("function", trial.function_name)
