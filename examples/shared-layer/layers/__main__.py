"""A layer that functions of other stacks take."""

import pulumi

from pulumi_python_layer import PythonLayer

# Functions of other stacks use a version until those stacks are updated: so none is deleted.
shared = PythonLayer("shared", requirements="requirements.txt", runtime="python3.11", skip_destroy=True)

pulumi.export("arn", shared.arn)
