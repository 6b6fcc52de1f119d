"""A function whose role may write its log and read one table, and nothing else."""

import json

import pulumi
import pulumi_aws as aws

from pulumi_python_layer import PythonFunction

notes = aws.dynamodb.Table(
    "notes", hash_key="id", attributes=[{"name": "id", "type": "S"}], billing_mode="PAY_PER_REQUEST"
)

assumed_by_lambda = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
reads_notes = {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": notes.arn}

role = aws.iam.Role(
    "reader-role", assume_role_policy=json.dumps({"Version": "2012-10-17", "Statement": [assumed_by_lambda]})
)
aws.iam.RolePolicyAttachment(
    "writes-log", role=role.name, policy_arn=aws.iam.ManagedPolicy.AWS_LAMBDA_BASIC_EXECUTION_ROLE
)
aws.iam.RolePolicy(
    "reads-notes",
    role=role.name,
    policy=pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": [reads_notes]}),
)

reader = PythonFunction(
    "reader",
    entry="reader",
    runtime="python3.11",
    role=role.arn,
    environment={"variables": {"TABLE": notes.name}},
)

pulumi.export("function", reader.function_name)
pulumi.export("table", notes.name)
