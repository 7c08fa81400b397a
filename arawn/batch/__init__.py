"""Many questions at once: on this machine, or handed to the batch service of a provider."""
