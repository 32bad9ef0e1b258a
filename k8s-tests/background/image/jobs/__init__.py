"""The tasks of the proof, for three queues, as an application has them beside its views."""
