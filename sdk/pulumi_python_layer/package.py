"""The resource behind `PythonFunction(dependencies="code")`: code and dependencies in one object of a bucket."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from pulumi_python_layer.layer import Build, travelling
from python_layer_provider import inputs
from python_layer_provider.code import CodeArchive
from python_layer_provider.package import package_hash
from python_layer_provider.package_provider import CODE, PackageProvider
from python_layer_provider.plan import LayerPlan
from python_layer_provider.publish import object_key


class FunctionPackage(Resource, module="python_layer", name="FunctionPackage"):
    """A function's code with its dependencies beside it, in a bucket.

    Attributes:
        s3_bucket: The bucket.
        s3_key: The object's name, known in preview: it follows from what is in it.
        packages: Distribution name to version, known in preview.
        code_sha256: SHA-256 of the zip in base64, as Lambda tells it.
        unpacked_size: Bytes, unzipped.
    """

    s3_bucket: pulumi.Output[str]
    s3_key: pulumi.Output[str]
    packages: pulumi.Output[dict[str, str]]
    code_sha256: pulumi.Output[str]
    unpacked_size: pulumi.Output[int]

    def __init__(  # noqa: PLR0913 (a resource has as many inputs as it has)
        self,
        resource_name: str,
        opts: pulumi.ResourceOptions,
        *,
        plan: LayerPlan,
        code: CodeArchive,
        build: Build,
        s3_bucket: pulumi.Input[str],
        s3_prefix: str,
        max_size: int | None,
        region: pulumi.Input[str] | None,
        profile: pulumi.Input[str] | None,
    ) -> None:
        """Declare a package.

        Args:
            resource_name: The resource's name in the stack.
            opts: Pulumi's options.
            plan: The dependencies.
            code: The function's code.
            build: How the dependencies are built.
            s3_bucket: The bucket.
            s3_prefix: What the object's name begins with.
            max_size: Bytes that code and dependencies may have, unzipped.
            region: The bucket's region.
            profile: As in `PythonLayer`.
        """
        content = pulumi.Output.from_input(build.image).apply(lambda image: replace(plan, image=image))
        contents = content.apply(lambda known: package_hash(known.content_hash(), code.code_sha256))
        props: dict[str, Any] = {
            "code_sha256": None,
            "unpacked_size": None,
            "package_hash": contents,
            "packages": plan.packages,
            "s3_bucket": s3_bucket,
            "s3_prefix": s3_prefix,
            "s3_key": contents.apply(lambda known: object_key(s3_prefix, known)),
            "max_size": max_size,
            "region": region,
            "profile": profile,
            "timeout": build.timeout,
            inputs.PLAN: content.apply(travelling),
            CODE: str(code.path),
        }
        super().__init__(PackageProvider(), resource_name, props, opts)
