"""The HTTP interface: the local API, and the transport of the federation doors and of link sockets."""
