"""Sessions on disk: journals of turns while they are said, and SQLite for what was said."""
