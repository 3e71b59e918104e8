"""What do others know? A question, its way through the federation, and how answers become one."""
