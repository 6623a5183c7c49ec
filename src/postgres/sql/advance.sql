-- Raises the sequences of one slice of a site's members. A debt moves along: it is still the newest state that is owed.
WITH slice AS MATERIALIZED (
    SELECT site_id, id FROM members WHERE site_id = $1 AND id >= $2 ORDER BY id LIMIT $4 FOR NO KEY UPDATE
),
raised AS (
    UPDATE members m SET event_sequence = m.event_sequence + $3
    -- `= ANY` for the reason given in commit.sql.
    FROM slice s WHERE m.site_id = ANY (ARRAY[s.site_id]) AND m.id = s.id
    RETURNING m.site_id, m.id, m.event_sequence, m.deleted_date
),
owed AS (
    INSERT INTO outbox AS o (site_id, member_id, event_sequence, event_due, cache_due, origin)
    SELECT r.site_id, r.id, r.event_sequence, r.deleted_date IS NULL, true, 'external'
    FROM raised r
    LEFT JOIN LATERAL (
        SELECT true AS is_owed FROM outbox o WHERE o.site_id = r.site_id AND o.member_id = r.id LIMIT 1
    ) debt ON true
    WHERE $5 OR debt.is_owed
    ORDER BY r.id
    ON CONFLICT (site_id, member_id) DO UPDATE SET
        event_sequence = excluded.event_sequence,
        event_due = o.event_due OR ($5 AND excluded.event_due),
        cache_due = o.cache_due OR $5
)
SELECT count(*), (array_agg(id ORDER BY id DESC))[1] FROM raised
