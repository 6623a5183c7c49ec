-- What each request asked for: a rejection alone does not say it.

-- A constant default: no row is written for it, and workers of before this migration go on, recording joins, which are the
-- only requests they know.
ALTER TABLE join_requests ADD COLUMN method text NOT NULL DEFAULT 'join';
