"""The application (`app.api`, replace it with yours) and the layer that serves it (`app.serving`)."""
