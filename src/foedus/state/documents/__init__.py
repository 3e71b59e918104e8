"""Documents of rooms: Yjs documents, whose updates are acts in the log."""
