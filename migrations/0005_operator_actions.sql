-- What operators did through the console and its API, and what they were refused: appended to, never changed.

CREATE TABLE operator_actions (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The name of the token, never the token.
    who     text NOT NULL,
    role    text NOT NULL,
    action  text NOT NULL,
    -- What it was done to: an id, never what is in it.
    target  text NOT NULL,
    -- Why, in the operator's own words.
    reason  text NOT NULL,
    outcome text NOT NULL
);

-- A record that can be changed afterwards proves nothing. Whoever owns the table can take the trigger away, and that
-- leaves a trace in PostgreSQL's own log.
CREATE FUNCTION refuse_change_of_actions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'operator_actions is only appended to'
        USING ERRCODE = 'integrity_constraint_violation', HINT = 'What was done stays recorded.';
END $$;

CREATE TRIGGER refuse_change_of_actions BEFORE UPDATE OR DELETE OR TRUNCATE ON operator_actions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_actions();
