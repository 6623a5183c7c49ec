-- A mark tells of a process, not of a lane: marks of a process that lives never count against a suspect.
ALTER TABLE suspects RENAME COLUMN lane TO process;
