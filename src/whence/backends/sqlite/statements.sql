-- begin: the write lock, so that nobody can come between a condition and its commit
begin immediate;

-- look: from here on, a reader sees one state of the log
begin;

-- changes: of other connections, since this one was opened
pragma data_version;

-- head: the position of the last event
select max(position) from events;

-- newest: where a stream ends
select version, position from events
where version > 0 and origin = (select position from events where stream = ? and version = 1)
order by version desc limit 1;

-- version: where in the log a version of a stream stands
select position from events
where version > 0 and version = ?2
    and origin = (select position from events where stream = ?1 and version = 1);

-- stretch: a stream from a version on, as a fold reads it; mended by hand, its data may be text
select position, type, cast(data as blob) from events
where version > 0 and version between ?2 and 9223372036854775807
    and origin = (select position from events where stream = ?1 and version = 1)
order by version limit ?3;

-- version_at: which version of its stream stands at a position
select version from events where position = ?;

-- versions: of many streams at once, and where they begin; 0 for those that are not there yet
select value, coalesce(
    (select version from events where origin = first.position and version > 0
     order by version desc limit 1), 0), coalesce(first.position, 0)
from json_each(?) left join events first on first.stream = value and first.version = 1;

-- commit: where a commit begins
select position from events where ordinal = 0 and commit_id = ?;

-- following: where the commit after the one at this position begins
select position from events where position > ? and ordinal = 0 order by position limit 1;

-- from: what was stored at a position and after it, as far as an outcome tells it
select stream, version, position, commit_id from events where position >= ? order by position;

-- rarest: some tags, those that the fewest events carry first; nobody counts very far
select value, (select count(*) from (select 1 from tags where tag = value limit ?)) as number
from json_each(?)
order by number, value;

-- streams: their names and versions, one after another as long as they start so
with recursive names (stream) as (
    select (select stream from events where version = 1 and stream > ?1 and stream >= ?2
            order by stream limit 1)
    union all
    select (select stream from events where version = 1 and stream > names.stream
            order by stream limit 1)
    from names
    where substr(names.stream, 1, length(?2)) = ?2
)
select stream, (select version from events where version > 0 and origin = (
                    select position from events where stream = names.stream and version = 1)
                order by version desc limit 1)
from names
where substr(stream, 1, length(?2)) = ?2
limit ?3;
