"""Text-to-image models that diffusers loads."""

from __future__ import annotations

from generation.diffusion.model import DiffusersModel

__all__ = ["DiffusersModel"]
