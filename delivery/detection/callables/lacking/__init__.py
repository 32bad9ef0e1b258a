"""What an application that was found lacks so that it can't be served as it is."""
