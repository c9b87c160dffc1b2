-- What a request's change did, read-only; {} where nothing is known. Parts: marker.
-- KEYS marker   ARGV request key

return recorded(KEYS[1], ARGV[1]) or {}
