-- What the rows mean, for whoever asks in SQL. The harness's own questions narrow the large tables to
-- a few runs first (narrowed.py), and take what a whole run comes to from its tally where it has one
-- (tallies.py); tests hold both against these.

-- The macros take a grading profile; the views of the same name are those of the default one.

-- The newest judgement of each profile.
CREATE OR REPLACE VIEW latest_grade AS
SELECT * FROM grade
QUALIFY row_number()
    OVER (PARTITION BY key, gold_id, profile ORDER BY graded_at DESC, grader_version DESC) = 1;

-- One row a request of a run, with what came back and how it was judged (NULL while it has not).
CREATE OR REPLACE MACRO sample_by(wanted) AS TABLE
SELECT q.run_id, r.model, r.task, r.restricted,
       q.item_id, q.sample_index, q.key,
       i.ordinal, i.question, i.gold, i.gold_id, i.answer_type, i.tolerance_absolute,
       i.tolerance_relative, i.subject, i.level, i.scorer,
       g.thought, g.answer, g.finish_reason, g.truncated, g.loop,
       g.prompt_tokens, g.completion_tokens, g.seconds, g.finished_at,
       d.profile, d.grader_version, d.correct, d.status, d.extracted, d.extraction, d.method
FROM request q
JOIN run r ON r.id = q.run_id
JOIN item i ON i.task = r.task AND i.data_sha256 = r.data_sha256 AND i.id = q.item_id
    AND i.gold_id = q.gold_id
LEFT JOIN generation g ON g.key = q.key
LEFT JOIN latest_grade d ON d.key = q.key AND d.gold_id = i.gold_id AND d.profile = wanted;

-- One row an item of a run: how many of its graded samples were right.
CREATE OR REPLACE MACRO item_score_by(wanted) AS TABLE
SELECT run_id, item_id, any_value(ordinal) AS ordinal, any_value(subject) AS subject,
       any_value(level) AS level, count(correct) AS samples,
       count(*) AS generated, count(*) FILTER (WHERE correct) AS correct,
       count(*) FILTER (WHERE status IN ('timeout', 'memory', 'crash')) AS undecided,
       count(*) FILTER (WHERE truncated) AS truncated,
       count(*) FILTER (WHERE status = 'no_answer') AS no_answer,
       count(*) FILTER (WHERE loop) AS loops,
       sum(completion_tokens) AS completion_tokens
FROM sample_by(wanted)
WHERE finish_reason IS NOT NULL
GROUP BY run_id, item_id;

-- One row a run: sufficient statistics of its score.
CREATE OR REPLACE MACRO run_score_by(wanted) AS TABLE
SELECT run_id, count(*) FILTER (WHERE samples > 0) AS items,
       sum(samples)::BIGINT AS samples, sum(generated)::BIGINT AS generated, sum(correct)::BIGINT AS correct,
       avg(correct / nullif(samples, 0)) AS mean,
       coalesce(var_samp(correct / nullif(samples, 0)), 0) AS variance,
       max(samples)::BIGINT AS most_samples, min(samples)::BIGINT AS fewest_samples,
       sum(undecided)::BIGINT AS undecided, sum(truncated)::BIGINT AS truncated,
       sum(no_answer)::BIGINT AS no_answer, sum(loops)::BIGINT AS loops,
       sum(completion_tokens)::BIGINT AS completion_tokens
FROM item_score_by(wanted)
GROUP BY run_id;

CREATE OR REPLACE VIEW sample AS FROM sample_by('strict');
CREATE OR REPLACE VIEW item_score AS FROM item_score_by('strict');
CREATE OR REPLACE VIEW run_score AS FROM run_score_by('strict');
