CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE TABLE t (id int PRIMARY KEY, v text, n numeric(10,2), at timestamptz, j jsonb, a int[], b bytea, m mood);
CREATE TABLE "odd ""name" ("a b" text, n int); ALTER TABLE "odd ""name" REPLICA IDENTITY FULL;
CREATE TABLE parts (id int, d date, PRIMARY KEY (id, d)) PARTITION BY RANGE (d);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2026-07-01');
CREATE TABLE parts_2 PARTITION OF parts DEFAULT;
CREATE TABLE gone (id int PRIMARY KEY);
