-- How events get in, and how far a reader may look. The order of the steps is the whole point.
--
-- An appender   1. locks what it writes and what its conditions look at, in one order for all,
--               2. judges the conditions (each statement of these functions sees all that was
--                  committed before it began),
--               3. takes a shared lock whose number is the last position drawn so far,
--               4. draws its positions, which are therefore greater than that number,
--               5. inserts, and commits: all locks end with the transaction.
-- A reader asks watermark(), which reads first the last position drawn and then the locks of
-- step 3. Whoever drew a position up to there has its lock in sight, or has finished; so below
-- the lowest of these locks nothing can appear any more. Rows are read by a later statement.
-- Nobody waits for anybody in the steps 3 to 5, and no clock decides anything.
--
-- A call in an assignment takes a tenth of the time of ``perform``, which is a query each time;
-- hence all the ``done``. So does a query of its own against one in a function in SQL, which is
-- planned anew in each transaction.

-- The lock of step 3: kind 0x45 in the highest byte, then 16 bits for the schema, then 40 of the
-- position. Only an append that lasts for 5 * 10^11 others could be mistaken for a later one.
create function whence.epoch_of(drawn bigint) returns bigint
    language sql stable strict parallel safe
    return (69::bigint << 56) | (('whence.positions'::regclass::oid::bigint & 65535) << 40)
           | (drawn & 1099511627775);

-- Step 1, and what an append needs of its transaction: that each statement sees what is committed
-- by then, and that what is acknowledged is on the disk.
create function whence.begin_append(
    patience text,            -- how long to wait for each lock
    keys     bigint[],        -- what to lock, in order,
    alone    boolean[]        -- each alone, or together with others that do the same
) returns void
    language plpgsql as $$
declare
    done text;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'append in a transaction that is "read committed", not "%"',
            current_setting('transaction_isolation') using errcode = 'invalid_transaction_state';
    end if;
    if current_setting('synchronous_commit') = 'off' then
        done := set_config('synchronous_commit', 'on', true);
    end if;
    done := set_config('lock_timeout', patience, true);
    for number in 1 .. cardinality(keys) loop
        if alone[number] then
            done := pg_advisory_xact_lock(keys[number]);
        else
            done := pg_advisory_xact_lock_shared(keys[number]);
        end if;
    end loop;
end
$$;

-- Step 3.
create function whence.enter() returns void
    language plpgsql as $$
declare
    done text;
begin
    done := pg_advisory_xact_lock_shared(
        whence.epoch_of(coalesce(pg_sequence_last_value('whence.positions'), 0)));
end
$$;

-- The last position up to which everything is visible to the next statement, for ever. It is one
-- that is stored: what was drawn only may be drawn again, after a crash.
create function whence.watermark() returns bigint
    language plpgsql as $$
declare
    drawn  bigint;
    behind bigint;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'read in a transaction that is "read committed", not "%"',
            current_setting('transaction_isolation') using errcode = 'invalid_transaction_state';
    end if;
    select case when is_called then last_value else 0 end into drawn from whence.positions;
    select max(far) into behind
    from (select (drawn - ((classid::bigint << 32) | objid::bigint)) & 1099511627775 as far
          from pg_locks
          where locktype = 'advisory' and objsubid = 1
            and classid::bigint >> 8 = whence.epoch_of(0) >> 40
            and database = (select oid from pg_database where datname = current_database())) open
    where far < 549755813888;  -- the others are ahead: they have drawn nothing up to ``drawn``
    return coalesce((select max(position) from whence.events
                     where position <= drawn - coalesce(behind, 0)), 0);
end
$$;

-- The version of a stream.
create function whence.version_of(name text) returns bigint
    language sql stable
    return coalesce((select version from whence.events
                     where stream = name and version > 0
                     order by version desc limit 1), 0);

-- How many events a stream had when the log had reached ``place``.
create function whence.version_at(name text, place bigint) returns bigint
    language sql stable
    return coalesce((select version from whence.events
                     where position = place and stream = name and version > 0),
                    (select version from whence.events
                     where stream = name and version > 0 and position <= place
                     order by version desc limit 1), 0);

-- Whether the event at ``place`` carries all of ``words``.
create function whence.carries(place bigint, words text[]) returns boolean
    language sql stable
    return (select coalesce(bool_and(exists (select from whence.tags t
                                             where t.tag = word and t.position = place)), true)
            from unnest(words) as word);

-- The simplest case: one event, in a stream that must be at a version. Returns its position; null
-- if the stream is elsewhere, and nothing is stored. An id that was there before is an error.
-- What it is called with is in no array, and what the connection is set to is not set again: in
-- so short a transaction that takes a tenth of the time.
create function whence.append_one(
    patience text,
    everyone bigint,          -- what to lock, in this order, null for nothing: what all share,
    kind     bigint,          -- the type of the event,
    words    bigint[],        -- its tags,
    name     bigint,          -- and its stream, which nobody shares
    id       text,
    stream   text,
    expected bigint,
    type     text,
    data     bytea,
    tags     text,            -- an array
    metadata bytea,
    micros   bigint
) returns bigint
    language plpgsql as $$
declare
    place  bigint;
    actual bigint;
    word   bigint;
    done   text;
begin
    if current_setting('lock_timeout') <> patience
       or current_setting('synchronous_commit') = 'off'
       or current_setting('transaction_isolation') <> 'read committed' then
        done := whence.begin_append(patience, '{}', '{}');
    end if;
    done := pg_advisory_xact_lock_shared(everyone);
    done := pg_advisory_xact_lock_shared(kind);
    if words is not null then
        foreach word in array words loop
            done := pg_advisory_xact_lock_shared(word);
        end loop;
    end if;
    done := pg_advisory_xact_lock(name);
    select e.version into actual from whence.events e
    where e.stream = append_one.stream and e.version > 0 order by e.version desc limit 1;
    if expected <> coalesce(actual, 0) then
        return null;
    end if;
    done := whence.enter();
    insert into whence.events
    values (nextval('whence.positions'), stream, expected + 1, type, data, tags::text[], metadata,
            micros, id, 0)
    returning position into place;
    if tags is not null then
        insert into whence.tags (tag, position)
        select distinct tag, place from unnest(tags::text[]) as tag;
    end if;
    return place;
end
$$;

-- The usual case for many, in few statements: each commit writes to streams of its own, at the
-- versions that it expects, and looks at nothing else. Returns the numbers of the commits that are stored,
-- with their last positions; the streams of the others were elsewhere. An id that was there
-- before, at other streams, is an error (23505) and nothing is stored.
create function whence.append_plain(
    patience       text,
    keys           bigint[],
    alone          boolean[],
    stream_commit  integer[], -- one entry for each stream written to: by which commit,
    stream_name    text[],
    stream_version bigint[],  -- at which version it must be
    event_commit   integer[], -- one entry for each event, in order
    event_id       text[],    -- the id of its commit
    event_ordinal  integer[],
    event_stream   text[],
    event_version  bigint[],
    event_type     text[],
    event_data     bytea[],
    event_tags     text[],    -- arrays, each as text
    event_metadata bytea[],
    event_micros   bigint[]
) returns table (commit integer, last bigint)
    language plpgsql as $$
declare
    moved     integer[];
    positions bigint[];       -- one for each event; null for those that are not stored
    done      text;
begin
    done := whence.begin_append(patience, keys, alone);
    moved := array(
        select s.commit
        from unnest(stream_commit, stream_name, stream_version) as s (commit, name, version)
        where s.version <> coalesce((select e.version from whence.events e
                                     where e.stream = s.name and e.version > 0
                                     order by e.version desc limit 1), 0));
    done := whence.enter();
    positions := array(
        select case when e.commit <> all (moved) then nextval('whence.positions') end
        from unnest(event_commit) as e (commit));
    insert into whence.events
    select e.position, e.stream, e.version, e.type, e.data, e.tags::text[], e.metadata, e.micros,
           e.id, e.ordinal
    from unnest(positions, event_id, event_ordinal, event_stream, event_version, event_type,
                event_data, event_tags, event_metadata, event_micros)
         as e (position, id, ordinal, stream, version, type, data, tags, metadata, micros)
    where e.position is not null;
    if array_remove(event_tags, null) <> '{}' then
        insert into whence.tags (tag, position)
        select distinct tag, e.position
        from unnest(positions, event_tags) as e (position, tags), unnest(e.tags::text[]) as tag
        where e.position is not null;
    end if;
    return query
    select e.commit, max(e.position) from unnest(event_commit, positions) as e (commit, position)
    where e.position is not null group by e.commit;
end
$$;

-- Whether any event after ``after`` matches ``item``, which may name {"types": [...],
-- "tags": [...], "stream": "...", "commit_id": "..."}; an empty one: any event.
-- Each branch goes along one index, and looks at the rest of the item there.
create function whence.matches(item jsonb, after bigint) returns boolean
    language plpgsql as $$
declare
    kinds  text[] := array(select jsonb_array_elements_text(item -> 'types'));
    words  text[] := array(select jsonb_array_elements_text(item -> 'tags'));
    name   text := item ->> 'stream';
    mine   text := item ->> 'commit_id';
begin
    if mine is not null then
        return exists (
            select from whence.events e
            where e.commit_id = mine and e.position > after and whence.carries(e.position, words)
              and (kinds = '{}' or e.type = any (kinds)) and (name is null or e.stream = name));
    elsif name is not null then
        return exists (
            select from whence.events e
            where e.stream = name and e.version > whence.version_at(name, after)
              and (kinds = '{}' or e.type = any (kinds)) and whence.carries(e.position, words));
    elsif words <> '{}' then
        return exists (
            select from whence.tags t
            where t.tag = words[1] and t.position > after
              and whence.carries(t.position, words[2:])
              and (kinds = '{}' or (select e.type from whence.events e
                                    where e.position = t.position) = any (kinds)));
    elsif kinds <> '{}' then
        return exists (
            select from unnest(kinds) as kind
            where exists (select from whence.events e
                          where e.type = kind and e.position > after));
    end if;
    return exists (select from whence.events e where e.position > after);
end
$$;

-- Whether any event after ``after`` matches any of ``items``, if there are any.
create function whence.any_matches(items jsonb, after bigint) returns boolean
    language plpgsql as $$
begin
    for number in 0 .. coalesce(jsonb_array_length(items), 0) - 1 loop
        if whence.matches(items -> number, after) then
            return true;
        end if;
    end loop;
    return false;
end
$$;

-- Any commits, judged and stored one after another; a later one sees the earlier ones.
-- Outcomes: stored, duplicate (with where it is), conflict (with the versions of what moved).
create function whence.append_each(
    patience       text,
    keys           bigint[],
    alone          boolean[],
    ids            text[],    -- one entry for each commit
    expected       jsonb[],   -- {"stream": version}
    unless         jsonb[],   -- items, or null
    after          bigint[],
    last_event     integer[], -- the number of its last event
    event_nth      integer[], -- one entry for each event, in order: its place among those of its
                              -- commit that go to the same stream; 0 without a stream
    event_ordinal  integer[],
    event_stream   text[],
    event_type     text[],
    event_data     bytea[],
    event_tags     text[],    -- arrays, each as text
    event_metadata bytea[],
    event_micros   bigint[]
) returns table (commit integer, outcome text, last bigint, versions jsonb)
    language plpgsql as $$
declare
    known     text[];         -- ids that are stored
    first     integer := 1;   -- the number of its first event
    final     integer;        -- and of its last
    numbers   bigint[];       -- versions of its events
    positions bigint[];
    done      text;
begin
    done := whence.begin_append(patience, keys, alone);
    known := array(select e.commit_id from whence.events e
                   where e.commit_id = any (ids) and e.ordinal = 0);
    done := whence.enter();
    for number in 1 .. cardinality(ids) loop
        commit := number;
        first := coalesce(last_event[number - 1], 0) + 1;
        final := last_event[number];
        if ids[number] = any (known) then
            outcome := 'duplicate';
            select max(e.position),
                   coalesce(jsonb_object_agg(e.stream, e.version) filter (where e.version > 0),
                            '{}')
            into last, versions
            from (select stream, max(version) as version, max(position) as position
                  from whence.events where commit_id = ids[number] group by stream) e;
            return next;
            continue;
        end if;
        versions := '{}';
        if expected[number] <> '{}' then
            select coalesce(jsonb_object_agg(x.stream, x.actual), '{}') into versions
            from (select key as stream, value::bigint as wanted, whence.version_of(key) as actual
                  from jsonb_each_text(expected[number])) x
            where x.actual <> x.wanted;
        end if;
        if versions <> '{}' or whence.any_matches(unless[number], after[number]) then
            outcome := 'conflict';
            last := null;
            return next;
            continue;
        end if;
        -- Versions before positions: who comes later in its stream comes later in the log.
        numbers := array(
            select case when e.nth = 0 then 0 else whence.version_of(e.stream) + e.nth end
            from unnest(event_stream[first:final], event_nth[first:final]) as e (stream, nth));
        positions := array(select nextval('whence.positions') from generate_series(first, final));
        insert into whence.events
        select e.position, e.stream, e.version, e.type, e.data, e.tags::text[], e.metadata,
               e.micros, ids[number], e.ordinal
        from unnest(positions, event_ordinal[first:final], event_stream[first:final], numbers,
                    event_type[first:final], event_data[first:final], event_tags[first:final],
                    event_metadata[first:final], event_micros[first:final])
             as e (position, ordinal, stream, version, type, data, tags, metadata, micros);
        if array_remove(event_tags[first:final], null) <> '{}' then
            insert into whence.tags (tag, position)
            select distinct tag, e.position
            from unnest(positions, event_tags[first:final]) as e (position, tags),
                 unnest(e.tags::text[]) as tag;
        end if;
        known := known || ids[number];
        outcome := 'stored';
        last := positions[cardinality(positions)];
        select coalesce(jsonb_object_agg(e.stream, e.version), '{}') into versions
        from (select stream, max(version) as version
              from unnest(event_stream[first:final], numbers) as e (stream, version)
              where stream <> '' group by stream) e;
        return next;
    end loop;
end
$$;
