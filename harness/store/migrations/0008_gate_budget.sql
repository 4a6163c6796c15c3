-- Which attempt at its candidate a gate was, and of how many models its baseline was the best.
ALTER TABLE gate_decision ADD COLUMN budget JSON;
