"""`foedus demo`: three real nodes live through a short story, and prove it."""

from foedus.surfaces.demo.show import run_demo

__all__ = ["run_demo"]
