"""Agents of this node and of others for whoever speaks A2A: cards, messages, tasks (docs/a2a.md).

``directory``, ``mapping`` and ``notices`` know nothing of the package ``a2a-sdk``; ``serving``, ``handler`` and
``cards`` import it, and are loaded when somebody first speaks A2A.
"""
