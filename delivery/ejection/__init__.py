"""Files that build and deploy an application without this checkout, written into the application's own repository.

`make new` writes a new application, `make eject` the files, and `make update` merges what a later version writes with
the user's edits. The templates are in template/, and copier.yml says what they ask.
"""
