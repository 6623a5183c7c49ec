-- When events were confirmed and the cache took entries: a row for each batch of debts that was forgotten, with their times.

-- A row for each batch and not for each debt: a join then costs its share of one insert, and no index entry. So there is no
-- index by member either. `explain` knows when a change was decided, and looks from then on through what was announced;
-- pruning goes by time as well.
CREATE TABLE announcements (
    -- When the batch was forgotten, by this server's clock.
    at              timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Arrays of one length: what stands in one place of each belongs to one debt.
    site_ids        uuid[] NOT NULL,
    member_ids      uuid[] NOT NULL,
    -- What was announced, whether or not the outbox owed a newer one by then.
    event_sequences bigint[] NOT NULL,
    -- By the clock of the worker that announced. NULL in the place of a debt whose event was not confirmed this time: it was
    -- before, it will be, or none was owed.
    confirmed_at    timestamptz[] NOT NULL,
    -- The same of the cache, of an entry as of a tombstone.
    cached_at       timestamptz[] NOT NULL
);

-- It has no key, and where all tables are published nothing could be deleted from it otherwise.
ALTER TABLE announcements REPLICA IDENTITY FULL;

CREATE INDEX announcements_at ON announcements (at);
