-- The whole schema of a results file at SCHEMA_VERSION (store.py), which a change of it raises. A new
-- file gets exactly this; one of any earlier version gets the tables and columns that it lacks, so a
-- column that is added later takes NULL. Views live in views.sql and are made again with either.
--
-- The large tables (request, generation, grade) carry no index: they are only appended to, inside
-- a transaction that leaves out the rows already there, and read by scan or join. DuckDB keeps
-- indexes in memory and pays for them at every open, which is what happens most often here.

CREATE TABLE schema_version (version INTEGER NOT NULL, applied_at TIMESTAMPTZ NOT NULL DEFAULT now());

-- Name/value facts about the file itself, for instance which published scores it carries.
CREATE TABLE meta (name VARCHAR PRIMARY KEY, value VARCHAR NOT NULL);

-- A model as it was measured: equal fingerprint means equal weights, config, tokenizer and adapter.
CREATE TABLE model (
    fingerprint          VARCHAR PRIMARY KEY,
    name                 VARCHAR NOT NULL,
    source               VARCHAR NOT NULL,
    architecture         VARCHAR NOT NULL,
    parameters           BIGINT,
    chat_template_sha256 VARCHAR,
    added_at             TIMESTAMPTZ NOT NULL
);

-- Every name and place that a model was measured under; that in `model` is the first.
CREATE TABLE model_alias (
    fingerprint VARCHAR NOT NULL,
    name        VARCHAR NOT NULL,
    source      VARCHAR NOT NULL,
    added_at    TIMESTAMPTZ NOT NULL
);

-- One model on one task under one protocol. `chat` is what its own template was asked for.
CREATE TABLE run (
    id               VARCHAR PRIMARY KEY,
    model            VARCHAR NOT NULL,
    task             VARCHAR NOT NULL,
    data_sha256      VARCHAR NOT NULL,
    protocol_sha256  VARCHAR NOT NULL,
    protocol         JSON NOT NULL,
    samples          INTEGER NOT NULL,
    seed             BIGINT NOT NULL,
    replicate        INTEGER NOT NULL,
    items            INTEGER NOT NULL,
    requests         INTEGER NOT NULL,
    backend          VARCHAR NOT NULL,
    engine_version   VARCHAR NOT NULL,
    device           VARCHAR NOT NULL,
    output_args      JSON NOT NULL,
    libraries        JSON NOT NULL,
    machine          JSON NOT NULL,
    restricted       BOOLEAN NOT NULL,
    created_at       TIMESTAMPTZ NOT NULL,
    chat             JSON
);

-- One session of the command line on a run: a run that was interrupted has several, and a session
-- with several runs stands here once for each, under one id. Its counts and times are those of the
-- whole session, since one engine serves all of it; `usage` holds what the backend itself counted
-- (retries, replicas lost, cost …).
CREATE TABLE run_session (
    id                VARCHAR NOT NULL,
    run_id            VARCHAR NOT NULL,
    started_at        TIMESTAMPTZ NOT NULL,
    ended_at          TIMESTAMPTZ NOT NULL,
    outcome           VARCHAR NOT NULL,
    engine_settings   JSON NOT NULL,
    generated         INTEGER NOT NULL,
    completion_tokens BIGINT NOT NULL,
    start_seconds     DOUBLE NOT NULL,
    generate_seconds  DOUBLE NOT NULL,
    grade_seconds     DOUBLE NOT NULL,
    usage             JSON,
    PRIMARY KEY (id, run_id)
);

-- The questions as they stood when they were asked. Restricted rows keep no text. A question whose
-- gold, answer type or tolerance has changed is another row, with another gold_id.
CREATE TABLE item (
    task         VARCHAR NOT NULL,
    data_sha256  VARCHAR NOT NULL,
    id           VARCHAR NOT NULL,
    ordinal      INTEGER NOT NULL,
    question     VARCHAR,
    gold         VARCHAR,
    gold_id      UUID NOT NULL,
    answer_type  VARCHAR NOT NULL,
    tolerance_absolute DOUBLE,
    tolerance_relative DOUBLE,
    subject      VARCHAR NOT NULL,
    level        VARCHAR NOT NULL,
    option_order INTEGER[] NOT NULL,
    scorer       VARCHAR NOT NULL
);

-- What a run asks for. Several runs may ask for the same key and share its generation.
CREATE TABLE request (
    run_id       VARCHAR NOT NULL,
    item_id      VARCHAR NOT NULL,
    gold_id      UUID NOT NULL,
    sample_index INTEGER NOT NULL,
    key          UUID NOT NULL
);

-- Token counts and times are NULL where a generation was imported and nobody counted them. The
-- thought's tokens are part of completion_tokens.
CREATE TABLE generation (
    key               UUID NOT NULL,
    thought           VARCHAR NOT NULL,
    answer            VARCHAR NOT NULL,
    finish_reason     VARCHAR NOT NULL,
    truncated         BOOLEAN NOT NULL,
    loop              BOOLEAN NOT NULL,
    prompt_tokens     INTEGER,
    completion_tokens INTEGER,
    seconds           DOUBLE,
    restricted        BOOLEAN NOT NULL,
    finished_at       TIMESTAMPTZ NOT NULL,
    thought_tokens    INTEGER
);

-- Judgements of several profiles and grader versions stand side by side.
CREATE TABLE grade (
    key            UUID NOT NULL,
    gold_id        UUID NOT NULL,
    profile        VARCHAR NOT NULL,
    grader_version VARCHAR NOT NULL,
    correct        BOOLEAN NOT NULL,
    status         VARCHAR NOT NULL,
    extracted      VARCHAR NOT NULL,
    extraction     VARCHAR NOT NULL,
    method         VARCHAR NOT NULL,
    seconds        DOUBLE NOT NULL,
    graded_at      TIMESTAMPTZ NOT NULL
);

-- One verdict of the gate with all that went into it. `outcome` is pass, fail, undecided, or error
-- where answers that the grader failed on could have changed it. `tasks` holds one object a task
-- (runs, rule, outcome, guards, and the interval for the drop after each item or round as `low` and
-- `high`; `target` is what the drop is about, "new items" where it is missing, and on "these items"
-- `rounds` and `rounds_read` count rounds), `suite` one of the same kind or null. `tokens_full` is
-- what the whole evaluation takes: measured where it was all read, else estimated. `budget` says
-- which attempt at its candidate it was, after which others, and of how many models its baseline was
-- the best; null where that was not counted.
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
    libraries      JSON NOT NULL,
    budget         JSON
);

-- The review queue of critique data: critiques that our grader contradicts, that cannot be read, or
-- that were drawn to be looked at (`reason`: conflict, unreadable, bare, audit), and what became of
-- them (`outcome`: kept, flagged, dropped, replaced). `run_id` is the teacher's run. What a human
-- says comes last: whether the response is right, and whether the critique is free of mistakes.
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

-- One training of train_cft: its recipe in full, the model it started from (a fingerprint, and the
-- name it was given), and the folder of its checkpoints. The same command goes on with the same id.
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

-- What was logged of an optimiser step. `tokens` and `seconds` count from the start of the training,
-- over all its sessions.
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

-- A checkpoint that a training saved; by its fingerprint a measured model finds its parent.
CREATE TABLE training_checkpoint (
    training_id VARCHAR NOT NULL,
    step        INTEGER NOT NULL,
    fingerprint VARCHAR NOT NULL,
    path        VARCHAR NOT NULL,
    saved_at    TIMESTAMPTZ NOT NULL
);

-- Which checkpoint was chosen, by which rule, on which task. `runs` holds the run of each step.
CREATE TABLE training_choice (
    training_id VARCHAR NOT NULL,
    task        VARCHAR NOT NULL,
    rule        VARCHAR NOT NULL,
    step        INTEGER NOT NULL,
    runs        JSON NOT NULL,
    warnings    JSON NOT NULL,
    chosen_at   TIMESTAMPTZ NOT NULL
);

-- What a human says of a grade, in addition to the machine's. The newest of a sample counts.
CREATE TABLE human_label (
    id          UUID PRIMARY KEY,
    key         UUID NOT NULL,
    gold_id     UUID NOT NULL,
    correct     BOOLEAN NOT NULL,
    note        VARCHAR NOT NULL,
    labelled_by VARCHAR NOT NULL,
    labelled_at TIMESTAMPTZ NOT NULL
);

-- Materialised summaries of runs, by grading profile, so that a list of many runs need not read all
-- rows. Derived and nothing else: made from the rows by summaries.py when a writer has finished, dropped
-- in the transaction that brings new rows of the run (store.py), and where it is absent the rows are
-- counted. `generated` is what has come back, `samples` what of it is judged; `mean` and `variance`
-- are of the judged items' scores, `upper_mean` is the mean if every sample that the grader failed on
-- were right. `item_set` names the judged items with their gold ids: runs of equal
-- item sets have their lists in one order, and can be compared item by item. The four times are the
-- first and last of the run's generations and grades: with them DuckDB reads only the part of the
-- large tables where they are.
CREATE TABLE run_tally (
    run_id            VARCHAR NOT NULL,
    profile           VARCHAR NOT NULL,
    items             INTEGER NOT NULL,
    samples           BIGINT NOT NULL,
    generated         BIGINT NOT NULL,
    correct           BIGINT NOT NULL,
    mean              DOUBLE,
    variance          DOUBLE,
    upper_mean        DOUBLE,
    most_samples      INTEGER NOT NULL,
    undecided         BIGINT NOT NULL,
    truncated         BIGINT NOT NULL,
    no_answer         BIGINT NOT NULL,
    loops             BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    grader_versions   VARCHAR[] NOT NULL,
    first_finished_at TIMESTAMPTZ,
    last_finished_at  TIMESTAMPTZ,
    first_graded_at   TIMESTAMPTZ,
    last_graded_at    TIMESTAMPTZ,
    item_set          VARCHAR,
    item_samples      INTEGER[] NOT NULL,
    item_correct      INTEGER[] NOT NULL
);

-- Numbers somebody else printed; never mixed up with measured ones.
CREATE TABLE published_score (
    model            VARCHAR NOT NULL,
    model_family     VARCHAR NOT NULL,
    params_b         DOUBLE,
    method           VARCHAR NOT NULL,
    benchmark        VARCHAR NOT NULL,
    task             VARCHAR,
    score            DOUBLE NOT NULL,
    unit             VARCHAR NOT NULL,
    metric           VARCHAR NOT NULL,
    source           VARCHAR NOT NULL,
    note             VARCHAR,
    canonical        BOOLEAN NOT NULL,
    canonical_reason VARCHAR
);
