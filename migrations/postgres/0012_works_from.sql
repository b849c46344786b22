-- From which release on each step is bearable, so that the release before can be started again beside a later one. Steps up
-- to here only added: the first release, whose last step was the ninth, bears them.
ALTER TABLE migration ADD COLUMN works_from BIGINT NOT NULL DEFAULT 9;
