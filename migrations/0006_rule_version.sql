-- Which version of the rule gave each verdict: with what is recorded already, all that `explain` needs to say why.

-- A constant default: no row is written for it, and workers of before this migration go on, recording version 1, which is
-- the only one they know.
ALTER TABLE join_requests ADD COLUMN rule_version smallint NOT NULL DEFAULT 1;
