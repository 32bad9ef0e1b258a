"""Scenarios and a run of them.

scenario      a scenario, declared as data
stage         what a fault is injected with
budget        how many requests may fail in a scenario, and why
conduct       scenarios as the options of a run say
options       the options of a run, and which tests they choose
progress      how a scenario goes, while it runs
"""
