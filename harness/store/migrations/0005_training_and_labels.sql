-- What train_cft trained, and what humans say of the grades.
CREATE TABLE training (
    id            VARCHAR PRIMARY KEY,
    name          VARCHAR NOT NULL,
    objective     VARCHAR NOT NULL,
    base          VARCHAR NOT NULL,
    base_name     VARCHAR NOT NULL,
    data_sha256   VARCHAR NOT NULL,
    recipe        JSON NOT NULL,
    seed          BIGINT NOT NULL,
    output        VARCHAR NOT NULL,
    planned_steps INTEGER NOT NULL,
    libraries     JSON NOT NULL,
    machine       JSON NOT NULL,
    started_at    TIMESTAMPTZ NOT NULL
);
CREATE TABLE training_step (
    training_id   VARCHAR NOT NULL,
    step          INTEGER NOT NULL,
    loss          DOUBLE,
    learning_rate DOUBLE,
    grad_norm     DOUBLE,
    tokens        BIGINT,
    seconds       DOUBLE,
    recorded_at   TIMESTAMPTZ NOT NULL
);
CREATE TABLE training_checkpoint (
    training_id VARCHAR NOT NULL,
    step        INTEGER NOT NULL,
    fingerprint VARCHAR NOT NULL,
    path        VARCHAR NOT NULL,
    saved_at    TIMESTAMPTZ NOT NULL
);
CREATE TABLE training_choice (
    training_id VARCHAR NOT NULL,
    task        VARCHAR NOT NULL,
    rule        VARCHAR NOT NULL,
    step        INTEGER NOT NULL,
    runs        JSON NOT NULL,
    warnings    JSON NOT NULL,
    chosen_at   TIMESTAMPTZ NOT NULL
);
CREATE TABLE human_label (
    id          UUID PRIMARY KEY,
    key         UUID NOT NULL,
    gold_id     UUID NOT NULL,
    correct     BOOLEAN NOT NULL,
    note        VARCHAR NOT NULL,
    labelled_by VARCHAR NOT NULL,
    labelled_at TIMESTAMPTZ NOT NULL
);
