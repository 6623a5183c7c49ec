-- Lock, record, change, owe: one statement, one transaction, one order of locks (members, then request keys, then the
-- outbox, each sorted). An effect is derived from its recorded verdict, so the one cannot exist without the other.
WITH ruling AS MATERIALIZED (
    -- `becomes`: what the verdict makes of the member; NULL if it changes nothing.
    SELECT *, CASE verdict WHEN 'joined' THEN 'PUBLIC' WHEN 'left' THEN 'PRIVATE' END AS becomes FROM unnest(
        $1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::uuid[], $6::text[], $7::boolean[], $8::text[],
        $9::text[], $10::text[], $11::text[], $12::bigint[], $13::timestamptz[], $14::text[], $18::text[]
    ) AS r (
        site_id, request_id, requester, digest, member_id, caller, elevated, proof,
        verdict, code, reason, event_sequence, received_at, traceparent, method
    )
    -- Members first: no prefix of the order in which keys are recorded below, or a planner that builds on it (from 17 on)
    -- would sort site by site, and take locks of a second site while it holds keys of the first.
    ORDER BY member_id, site_id
),
-- The rule once more, on the row as it is now: a lock that was got cannot lose. Where a tombstone will be owed (as below)
-- the member is locked as well: to wait for the debt alone, other members in hand, could be to wait in a circle.
-- LATERAL with LIMIT 1 keeps the look-ups, and so the locks, in the order above.
locked AS MATERIALIZED (
    SELECT r.*, m.won
    FROM ruling r
    LEFT JOIN LATERAL (
        SELECT true AS won FROM members m
        WHERE (
              r.becomes IS NOT NULL
              OR r.verdict = 'rejected' AND r.event_sequence IS NOT NULL
                 AND (r.code = 'NOT_FOUND' OR r.reason IN ('PENDING', 'BLOCKED', 'OFFLINE'))
          )
          AND m.site_id = r.site_id AND m.id = r.member_id
          AND (
              r.becomes IS NULL
              OR m.event_sequence = r.event_sequence - 1 AND m.privacy_status <> r.becomes AND m.deleted_date IS NULL
                 AND (r.becomes = 'PRIVATE' OR m.status = 'APPROVED' AND NOT EXISTS (
                     SELECT FROM sites s WHERE s.site_id = r.site_id AND s.public_member_candidates = 'NO_ONE'
                 ))
          )
        LIMIT 1
        FOR NO KEY UPDATE
    ) m ON true
),
recorded AS (
    INSERT INTO join_requests (
        site_id, request_id, requester, digest, member_id, caller, elevated, proof,
        verdict, code, reason, event_sequence, received_at, decided_at, traceparent, rule_version, method
    )
    SELECT site_id, request_id, requester, digest, member_id, caller, elevated, proof,
           verdict, code, reason, event_sequence, received_at, $15, traceparent, $17::smallint, method
    FROM locked
    WHERE becomes IS NULL OR won
    ORDER BY site_id, request_id, requester
    ON CONFLICT DO NOTHING
    RETURNING site_id, request_id, requester, member_id, caller, verdict, code, reason, event_sequence, traceparent,
              method || '_community' AS origin
),
changed AS (
    UPDATE members m
    SET privacy_status = CASE r.verdict WHEN 'joined' THEN 'PUBLIC' ELSE 'PRIVATE' END,
        updated_date = greatest(m.updated_date, $15), event_sequence = m.event_sequence + 1
    FROM recorded r
    -- `= ANY` can be looked up in an index, but neither hashed nor merged: on a table that was small when the plan was
    -- made, `=` becomes a walk through the whole index for each batch, and stays one when the table has grown.
    WHERE r.verdict IN ('joined', 'left') AND m.site_id = ANY (ARRAY[r.site_id]) AND m.id = r.member_id
    RETURNING m.site_id, m.id, m.event_sequence, r.origin, r.caller, r.request_id, r.traceparent
),
owed AS (
    INSERT INTO outbox (
        site_id, member_id, event_sequence, event_due, cache_due, origin, caller, request_id, traceparent, lease_until
    )
    SELECT *, clock_timestamp() + $16 * interval '1 second' FROM (
        SELECT site_id, id, event_sequence, true, true, origin, caller, request_id, traceparent FROM changed
        UNION ALL
        SELECT site_id, member_id, event_sequence, false, true, origin, caller, request_id, traceparent
        FROM recorded
        -- Without a record there is no sequence, and nothing that could ever have been shown.
        WHERE verdict = 'rejected' AND event_sequence IS NOT NULL
          AND (code = 'NOT_FOUND' OR reason IN ('PENDING', 'BLOCKED', 'OFFLINE'))
    ) AS debt (site_id, member_id)
    ORDER BY site_id, member_id
    ON CONFLICT (site_id, member_id) DO UPDATE SET
        event_sequence = greatest(outbox.event_sequence, excluded.event_sequence),
        event_due = outbox.event_due OR excluded.event_due,
        cache_due = true,
        origin = CASE WHEN excluded.event_due THEN excluded.origin ELSE outbox.origin END,
        caller = CASE WHEN excluded.event_due THEN excluded.caller ELSE outbox.caller END,
        request_id = CASE WHEN excluded.event_due THEN excluded.request_id ELSE outbox.request_id END,
        traceparent = CASE WHEN excluded.event_due THEN excluded.traceparent ELSE outbox.traceparent END,
        lease_until = CASE WHEN excluded.event_due THEN excluded.lease_until ELSE outbox.lease_until END,
        attempts = CASE WHEN excluded.event_due THEN 0 ELSE outbox.attempts END
)
SELECT site_id, request_id, requester FROM recorded
