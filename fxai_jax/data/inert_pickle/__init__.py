"""Pickles as inert data: read without importing, calling or setting anything."""
