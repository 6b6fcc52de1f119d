"""What Lambda takes: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html."""

UNZIPPED_LIMIT = 250 * 1024 * 1024
"""Bytes that a function and all its layers may have, unzipped."""
DIRECT_UPLOAD_LIMIT = 50 * 1024 * 1024
"""Bytes of a zip that is published without S3."""
FILES_LIMIT = 65_535
"""Entries of a zip without Zip64, which Lambda is not documented to read."""
WARNING_SHARE = 0.8
"""The share of a limit at which there is still time to act."""
