"""Containers, the store of decoded records, splits, sampler and loader."""
