"""What the tests are made of.

cluster     commands, waiting, releases, nodes, images, and what is there for as long as a block lasts
measuring   clients in the cluster, their records, and what those say
running     a scenario as data, what it acts with, and how a run goes
report      the figures as a page and as a file
"""
