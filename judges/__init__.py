"""Adapters: one file a kind of judge; built by name through alignbench.registry."""
