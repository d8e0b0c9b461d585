"""The application: configuration, session loop, command line."""
