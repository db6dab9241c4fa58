"""The incident on a server of our own: two databases, the application's migrations, and the application itself."""
