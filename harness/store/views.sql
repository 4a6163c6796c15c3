-- What the rows mean, for whoever asks in SQL. The harness's own queries filter the large tables by run
-- first, and take a whole run's statistics from its summary where it has one (summaries.py); tests
-- compare both with these. The names in braces are filled in from sample_scan.py, which they share.

-- The macros take a grading profile; the views of the same name are those of the default one.

-- The newest judgement of each profile.
CREATE OR REPLACE VIEW latest_grade AS SELECT * FROM grade {newest_grades};

-- One row a request of a run, with what came back and how it was judged (NULL while it has not).
CREATE OR REPLACE MACRO sample_by(wanted) AS TABLE {sample};

-- One row an item of a run: how many of its graded samples were right.
CREATE OR REPLACE MACRO item_score_by(wanted) AS TABLE
SELECT run_id, item_id, any_value(ordinal) AS ordinal, any_value(subject) AS subject,
       any_value(level) AS level, count(correct) AS samples,
       count(*) AS generated, count(*) FILTER (WHERE correct) AS correct,
       count(*) FILTER (WHERE {grader_failed}) AS undecided,
       count(*) FILTER (WHERE truncated) AS truncated,
       count(*) FILTER (WHERE status = 'no_answer') AS no_answer,
       count(*) FILTER (WHERE loop) AS loops,
       sum(completion_tokens) AS completion_tokens
FROM sample_by(wanted)
WHERE finish_reason IS NOT NULL
GROUP BY run_id, item_id;

-- One row a run: sufficient statistics of its score.
CREATE OR REPLACE MACRO run_score_by(wanted) AS TABLE
SELECT run_id, {run_statistics}, min(samples)::BIGINT AS fewest_samples
FROM item_score_by(wanted)
GROUP BY run_id;

CREATE OR REPLACE VIEW sample AS FROM sample_by('strict');
CREATE OR REPLACE VIEW item_score AS FROM item_score_by('strict');
CREATE OR REPLACE VIEW run_score AS FROM run_score_by('strict');
