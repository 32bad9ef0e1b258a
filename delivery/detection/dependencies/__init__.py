"""How a repository declares its dependencies, the Python it asks for, and what wheels leave to the system.

find            the parts together
styles          which files count
declarations    requirements with their places, which all of the following yield
requirement_files, projects, setup_files
                requirements.txt, pyproject.toml, setup.py and setup.cfg
lock_files, contradictions
                what lock files pin, and where they are out of date
pythons         the version of Python
system_packages, imported
                Debian's packages; what is imported where nothing is declared
"""

from delivery.detection.dependencies.find import find_dependencies

__all__ = ["find_dependencies"]
