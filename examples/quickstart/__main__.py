"""A layer from a lock file, and the outputs that a function takes."""

import pulumi

from pulumi_python_layer import PythonLayer

layer = PythonLayer("deps", requirements="requirements.txt", runtime="python3.11")

pulumi.export("arn", layer.arn)
pulumi.export("packages", layer.packages)
pulumi.export("code_sha256", layer.code_sha256)
