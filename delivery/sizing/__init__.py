"""Measures an application on this machine and computes the chart's values from it, each with its derivation.

`make values APP=../shop PATHS='/ /search?q=x'` writes them to a values file. What is sent is GET, to 127.0.0.1 alone.
"""
