"""From any repository with a Flask application to a cluster, with nothing edited in it.

detection    what the repository says, read and never run
images       its dependencies locked, its image built
deployment   the image in a cluster: values, settings, databases, what an upgrade changes
development  served on this machine, and edited in the cluster
sizing       the chart's values, from a measurement
ejection     what a repository needs to do all of that by itself, written into it from template/
own_files    what is written into a repository, and never through its links
corpus       what becomes of applications by others

Their requirements are in requirements-tools.in. `make` runs them.
"""
