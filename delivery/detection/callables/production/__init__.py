"""What starts the application in production, as the repository's own files tell."""
