"""Settings: what may be said, where, and what holds in the end. It knows no backend and sends nothing."""
