"""The conversation on a terminal: reading a line, answering it, slash commands; it knows no wire format."""
