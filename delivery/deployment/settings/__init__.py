"""The settings of an application: what an env file gives, what is missing, and the Secret they are kept in."""
