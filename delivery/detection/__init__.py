"""What a repository says about the application in it: read, never run. `make detect APP=../shop` prints it."""
