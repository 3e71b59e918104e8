"""foedus: a node for signed federation between sovereign people, teams and companies."""

__version__ = "0.1.0"
