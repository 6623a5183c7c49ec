-- Replaces an entry or tombstone by another entry of the same sequence, if the key still holds what was seen there.
-- KEYS[1] the entry · ARGV[1] sequence, decimal · ARGV[2] milliseconds to live · ARGV[3] member JSON
-- ARGV[4] the member JSON seen, absent for a tombstone
-- Answers 1 if replaced, 0 if the key holds anything else by now.

local held = redis.call('HMGET', KEYS[1], 'sequence', 'member')
if held[1] ~= ARGV[1] or (held[2] or nil) ~= ARGV[4] then
  return 0
end
redis.call('HSET', KEYS[1], 'member', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
