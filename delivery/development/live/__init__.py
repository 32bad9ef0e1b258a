"""Edits of the application in the pods of a release, without a new image.

start.py, agent.py and supervisor.py run in the pods, by the Python of the image alone; the rest on this machine.
"""
