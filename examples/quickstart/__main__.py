"""A function from a folder: `hello/index.py` is its code, `hello/requirements.txt` its locked dependencies."""

import pulumi

from pulumi_python_layer import PythonFunction

hello = PythonFunction("hello", entry="hello", runtime="python3.11")

pulumi.export("function", hello.function_name)
