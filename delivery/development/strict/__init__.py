"""The application in its image on this machine, as restricted as in its pod: `make run STRICT=1`.

What it may not do in the pod fails here too, with a line that says what to write.
"""
