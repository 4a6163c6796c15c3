-- Verdicts of the gate.
CREATE TABLE gate_decision (
    id             VARCHAR PRIMARY KEY,
    decided_at     TIMESTAMPTZ NOT NULL,
    outcome        VARCHAR NOT NULL,
    exit_code      INTEGER NOT NULL,
    reason         VARCHAR NOT NULL,
    candidate      VARCHAR NOT NULL,
    baseline       VARCHAR NOT NULL,
    aa             BOOLEAN NOT NULL,
    config         JSON NOT NULL,
    tasks          JSON NOT NULL,
    suite          JSON,
    warnings       JSON NOT NULL,
    tokens_spent   BIGINT NOT NULL,
    tokens_aborted BIGINT NOT NULL,
    tokens_stored  BIGINT NOT NULL,
    tokens_full    BIGINT,
    seconds        DOUBLE NOT NULL,
    grader_version VARCHAR NOT NULL,
    libraries      JSON NOT NULL
);
