"""Ours and what people do instead, side by side in one run."""
