"""What comes out of a run.

report        the figures of every scenario, for the terminal and for build/proof/report.json
buckets       from records to what a timeline shows
timeline      a scenario's timeline as an SVG
page          the report as a page, build/proof/report.html
browser       a headless browser, for the page's tests and pictures
"""
