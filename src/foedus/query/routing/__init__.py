"""Whom is a question by meaning sent to? Sketches of what nodes know, the ways to them, and a choice among peers."""
