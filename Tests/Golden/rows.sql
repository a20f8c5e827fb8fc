SET TimeZone = 'UTC';
SELECT name, row FROM (
  SELECT 't' AS name, t::text AS row FROM t UNION ALL SELECT 'odd', o::text FROM "odd ""name" o
   UNION ALL SELECT tableoid::regclass::text, p::text FROM parts p UNION ALL SELECT 'gone', g::text FROM gone g) r
 ORDER BY name COLLATE "C", row COLLATE "C";
