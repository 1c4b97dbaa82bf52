"""What changed in the restaurant over the years: each change in a file, and nothing else touched.

Each module holds its change, and an `app` with all changes so far: manager, drinks, service, bar.
"""
