-- Writes an entry or a tombstone if it is newer than what is there; a tombstone also wins over an equal one.
-- KEYS[1] the entry · ARGV[1] sequence, decimal · ARGV[2] milliseconds to live · ARGV[3] member JSON, absent for a tombstone
-- Answers 1 if written, 0 if what is there is at least as new.

-- As text, by length and then by digits: numbers are doubles here and go wrong above 2^53.
local function is_newer(a, b)
  if #a ~= #b then return #a > #b end
  return a > b
end

-- A key of another type, or a sequence that is none, is junk: it is overwritten.
local read = redis.pcall('HGET', KEYS[1], 'sequence')
local held = type(read) == 'string' and read:match('^%d+$') and read
if held and not is_newer(ARGV[1], held) and (ARGV[3] or ARGV[1] ~= held) then
  return 0
end

-- Once a script has written, Redis no longer refuses it for lack of memory. So an entry begins with the write that may be
-- refused, and a tombstone, which must not be, begins by making room.
if type(read) == 'table' then
  redis.call('DEL', KEYS[1])
end
if ARGV[3] then
  redis.call('HSET', KEYS[1], 'sequence', ARGV[1], 'member', ARGV[3])
else
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'sequence', ARGV[1])
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
