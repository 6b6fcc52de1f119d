"""A FastAPI application behind a function URL."""

import pulumi
import pulumi_aws as aws

from pulumi_python_layer import PythonFunction

api = PythonFunction("api", entry="api", handler="app.handler", runtime="python3.11", memory_size=512, timeout=10)
url = aws.lambda_.FunctionUrl("url", function_name=api.function_name, authorization_type="NONE")

pulumi.export("function", api.function_name)
pulumi.export("url", url.function_url)
