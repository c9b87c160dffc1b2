-- Makes sure that a change which is still under way, in a buffer or a frozen process, can never be
-- made any more; or tells what it did. Parts: marker.
-- KEYS marker   ARGV request key

return recorded(KEYS[1], ARGV[1]) or record(KEYS[1], ARGV[1], {'result', 'fenced'})
