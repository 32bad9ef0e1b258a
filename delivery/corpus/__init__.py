"""Applications that nobody here wrote, and what becomes of each with nothing edited: detected, built, ready, answering.

`make corpus` takes them from their source distributions, at pinned versions and hashes. The half `develop` is for
writing the detection, the half `test` for judging it: it is looked at only when the detection is finished.
"""
