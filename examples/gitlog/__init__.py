"""Git histories as events: what a repository holds, who made it so, and what it held before.

What is said and decided: `commits`, `repositories`. What is asked: `models`, put together in
`summaries` and `trees`. How commits come in: `sources`, `git`, `saved`, `importing`.
"""

from gitlog.application import app
from gitlog.importing import Imported, import_history
from gitlog.sources import Source, open_source
from gitlog.summaries import Summary, repositories, summary
from gitlog.trees import commit_at, commit_meant, tree_at, tree_lines

__all__ = [
    "Imported",
    "Source",
    "Summary",
    "app",
    "commit_at",
    "commit_meant",
    "import_history",
    "open_source",
    "repositories",
    "summary",
    "tree_at",
    "tree_lines",
]
