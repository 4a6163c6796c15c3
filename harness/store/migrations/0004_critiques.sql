-- The review queue of critique data.
CREATE TABLE critique (
    id              UUID PRIMARY KEY,
    queued_at       TIMESTAMPTZ NOT NULL,
    reason          VARCHAR NOT NULL,
    outcome         VARCHAR NOT NULL,
    source          VARCHAR NOT NULL,
    critic          VARCHAR NOT NULL,
    run_id          VARCHAR,
    question        VARCHAR NOT NULL,
    response        VARCHAR NOT NULL,
    critique        VARCHAR NOT NULL,
    concludes_right BOOLEAN,
    graded_right    BOOLEAN,
    gold            VARCHAR,
    extracted       VARCHAR,
    grader_version  VARCHAR NOT NULL,
    human_right     BOOLEAN,
    human_sound     BOOLEAN,
    human_note      VARCHAR,
    reviewed_by     VARCHAR,
    reviewed_at     TIMESTAMPTZ
);
