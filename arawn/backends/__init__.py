"""Who answers: the HTTP door, what wraps it (retries), the built-in guide, and a scripted one for tests."""
