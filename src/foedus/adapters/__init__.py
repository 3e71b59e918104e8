"""The world: databases, sockets, clients, key files. The only place, with the node, that does I/O."""
