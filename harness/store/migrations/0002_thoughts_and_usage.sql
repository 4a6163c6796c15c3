-- What a run asked of the model's template, what a backend counted, and how long thoughts are.
ALTER TABLE run ADD COLUMN chat JSON;
ALTER TABLE run_session ADD COLUMN usage JSON;
ALTER TABLE generation ADD COLUMN thought_tokens INTEGER;
