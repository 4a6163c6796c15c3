-- The names of a model, the true upper bound of a score, and newer graders before later clocks.
CREATE TABLE model_alias (
    fingerprint VARCHAR NOT NULL,
    name        VARCHAR NOT NULL,
    source      VARCHAR NOT NULL,
    added_at    TIMESTAMPTZ NOT NULL
);
INSERT INTO model_alias SELECT fingerprint, name, source, added_at FROM model;
ALTER TABLE run_tally ADD COLUMN upper_mean DOUBLE;
UPDATE run_tally SET upper_mean = mean WHERE undecided = 0;
-- What these tallies hold is no longer what their rows come to.
DELETE FROM run_tally WHERE run_id IN (
    SELECT run_id FROM run_tally WHERE undecided > 0
    UNION
    SELECT run_id FROM request WHERE key IN (
        SELECT key FROM grade WHERE regexp_full_match(grader_version, '[0-9]{1,9}')
        GROUP BY key, gold_id, profile
        HAVING arg_max(TRY_CAST(grader_version AS INTEGER), graded_at)
            < max(TRY_CAST(grader_version AS INTEGER))
    )
);
