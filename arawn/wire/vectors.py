"""The vectors in a reply of any service that makes them; pure, it knows no provider."""
