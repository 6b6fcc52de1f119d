"""The one door to AWS: layer versions in Lambda, finished layers in S3."""

from python_layer_provider.publish.bucket import Bucket, StoredLayer, fetch_layer, find_layer, object_key, store_layer
from python_layer_provider.publish.everywhere import Place, Wanted, published_everywhere
from python_layer_provider.publish.session import AwsSettings, Noting, check_session, region_of
from python_layer_provider.publish.versions import (
    StoredZip,
    ZipSource,
    delete_layer_version,
    newest_layer_version,
    publish_layer_version,
    read_layer_version,
    read_permissions,
    share_layer_version,
    used_layer_versions,
)

__all__ = [
    "AwsSettings",
    "Bucket",
    "Noting",
    "Place",
    "StoredLayer",
    "StoredZip",
    "Wanted",
    "ZipSource",
    "check_session",
    "delete_layer_version",
    "fetch_layer",
    "find_layer",
    "newest_layer_version",
    "object_key",
    "publish_layer_version",
    "published_everywhere",
    "read_layer_version",
    "read_permissions",
    "region_of",
    "share_layer_version",
    "store_layer",
    "used_layer_versions",
]
