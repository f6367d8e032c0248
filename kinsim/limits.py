"""Bounds that protect against broken or hostile input; AWS's own limits are in the profiles, with their dates."""

from __future__ import annotations

YAML_BYTES = 8_000_000
"""Largest scenario, sweep or profile file; large data belongs into a trace file."""

YAML_NODES = 400_000
"""Most values in one file, counted after aliases are expanded (a few lines of aliases can make billions)."""

YAML_DEPTH = 60
"""Deepest nesting of lists and mappings."""

EXTENDS_DEPTH = 20
"""Longest chain of ``extends``."""
EXTENDS_FILES = 200
"""Files that a scenario may be made of, one that is extended twice counted twice."""

NAME_LENGTH = 200
"""Longest name of a scenario; it becomes a folder."""

PIPELINES = 100
"""Most pipelines of a scenario."""
PIPELINE_NAME_LENGTH = 60
"""Longest name of a pipeline; it becomes a folder within that of the scenario."""

PROBLEMS = 200
"""Most problems collected from one input."""
