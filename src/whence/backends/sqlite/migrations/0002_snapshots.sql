-- The latest snapshot of each stream: a cache, which may be emptied at any time.
create table snapshots (
    stream   text    not null primary key,
    version  integer not null,
    position integer not null,  -- of the last event that it has seen
    shape    text    not null,  -- a hash of the state and of the fold that made it
    state    blob    not null
) without rowid;
