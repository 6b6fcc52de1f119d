"""What all dynamic providers of this project share: the stack's configuration, and what follows from it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from pulumi.dynamic import ConfigureRequest, ResourceProvider

from python_layer_provider.operations import Aws
from python_layer_provider.publish import AwsSettings
from python_layer_provider.record import Record
from python_layer_provider.settings import BuildSettings, image_template

# What the stack's configuration may say to this provider. The AWS keys are those of pulumi-aws.
_CONFIG = (
    "aws:region",
    "aws:profile",
    "aws:accessKey",
    "aws:secretKey",
    "aws:token",
    "aws:endpoints",
    "aws:s3UsePathStyle",
    "aws:assumeRole",
    "aws:assumeRoles",
    "python-layer:image",
)


class ConfiguredProvider(ResourceProvider):
    """A dynamic provider that knows the stack's configuration."""

    # What is pickled is a class's path and nothing else: nothing in it is secret.
    serialize_as_secret_always = False
    _config: Mapping[str, str] = MappingProxyType({})

    def configure(self, req: ConfigureRequest) -> None:
        """Take the stack's configuration; runs once in a process, on the unpickled object."""
        found = {key: req.config.get(key) for key in _CONFIG}
        self._config = {key: value for key, value in found.items() if value}

    def build_settings(self, timeout: float) -> BuildSettings:
        """How layers are built, within so many seconds."""
        images = image_template(self._config.get("python-layer:image"), os.environ)
        return BuildSettings(image_template=images, timeout=timeout)

    def in_regions(self, profile: str | None, record: Record) -> Aws:
        """A region to how AWS is reached there; what AWS answers is noted in the record."""
        return cache(lambda region: self.aws(region, profile, record))

    def aws(self, region: str | None, profile: str | None, record: Record) -> AwsSettings:
        """How AWS is reached in a region, or in the one that the stack or the environment names."""
        return AwsSettings.of(self._config, region=region, profile=profile, noting=record.call)
