"""Import a history and print how many bytes of memory that took at most. A script for a test."""

import asyncio
import json
import resource
import sys
import tracemalloc


async def main(examples: str, history: str, url: str) -> None:
    sys.path.insert(0, examples)
    import gitlog
    from gitlog.models import Overview

    tracemalloc.start()
    async with gitlog.app.using(store=url) as app:
        imported = await gitlog.import_history(app, gitlog.open_source(history), "history")
        for model in app.wiring.models:
            await app.read(model).after(imported.position, timeout=60).count()
        row = await app.read(Overview).get("history")
        assert row is not None
        assert row.commits == imported.commits
    _, objects = tracemalloc.get_traced_memory()
    unit = 1 if sys.platform == "darwin" else 1024
    process = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    print(json.dumps({"objects": objects, "process": process}))


asyncio.run(main(*sys.argv[1:]))
