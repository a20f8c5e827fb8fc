"""The workloads W1 to W6: what the tables hold before, and what happens to them. Fixed seeds make each the same always."""

from dataclasses import dataclass

WORDS = """
CREATE FUNCTION words(n int) RETURNS text LANGUAGE sql VOLATILE AS $$
  SELECT string_agg(
    (string_to_array('account amount answer arrived balance before between bridge cancelled carried change city client '
      'closed customer daily delivered early east engine express factory first freight garden hand harbour invoice '
      'item january june large late letter market morning north number of old on open order paid parcel pending '
      'people point port price quick rail received record returned river road second ship short small south standard '
      'station stock street summer the third to town truck under unit warehouse waiting water week west winter with '
      'yard year', ' '))[1 + floor(random() * 88)::int], ' ')
  FROM generate_series(1, n) $$;
"""

# Ten columns of mixed types, about 300 bytes of text.
WIDE_TABLE = """
CREATE TABLE wide (
  id bigint PRIMARY KEY, account int NOT NULL, created timestamptz, amount numeric(14,2), ratio float8, active boolean,
  code uuid, label text, note text, data jsonb);
"""
WIDE_ROWS = """
  SELECT i, floor(random() * 1000000)::int, '2026-01-01 00:00:00+00'::timestamptz + i * interval '1 second',
    round((random() * 100000)::numeric, 2), random(), random() < 0.5, md5(i::text || 'code')::uuid, words(3), words(14),
    jsonb_build_object('state', words(1), 'visits', floor(random() * 1000), 'tags', jsonb_build_array(words(1), words(1)))
  FROM generate_series({first}, {last}) AS i
"""


@dataclass
class Workload:
    """One workload; `setup` runs on both servers before, `work` on the source while the slot exists."""

    name: str
    title: str
    setup: str
    work: str
    changes: int
    tables: str
    streams: bool = False
    subscription: str = ""


def w1(scale):
    transactions = int(200_000 * scale)
    setup = """
CREATE TABLE pgbench_branches (bid int PRIMARY KEY, bbalance int, filler char(88)) WITH (fillfactor=100);
CREATE TABLE pgbench_tellers (tid int PRIMARY KEY, bid int, tbalance int, filler char(84)) WITH (fillfactor=100);
CREATE TABLE pgbench_accounts (aid int PRIMARY KEY, bid int, abalance int, filler char(84)) WITH (fillfactor=100);
CREATE TABLE pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22));
INSERT INTO pgbench_branches SELECT i, 0, '' FROM generate_series(1, 10) AS i;
INSERT INTO pgbench_tellers SELECT i, 1 + (i - 1) / 10, 0, '' FROM generate_series(1, 100) AS i;
INSERT INTO pgbench_accounts SELECT i, 1 + (i - 1) / 100000, 0, '' FROM generate_series(1, 1000000) AS i;
"""
    work = f"""
DO $$
DECLARE a int; b int; t int; d int;
BEGIN
  PERFORM setseed(0.1);
  FOR i IN 1..{transactions} LOOP
    a := 1 + floor(random() * 1000000); b := 1 + floor(random() * 10); t := 1 + floor(random() * 100);
    d := floor(random() * 10001) - 5000;
    UPDATE pgbench_accounts SET abalance = abalance + d WHERE aid = a;
    UPDATE pgbench_tellers SET tbalance = tbalance + d WHERE tid = t;
    UPDATE pgbench_branches SET bbalance = bbalance + d WHERE bid = b;
    INSERT INTO pgbench_history (tid, bid, aid, delta, mtime)
      VALUES (t, b, a, d, '2026-01-01'::timestamp + i * interval '1 millisecond');
    COMMIT;
  END LOOP;
END $$;
"""
    return Workload("W1", f"pgbench's TPC-B, {transactions} transactions of 4 changes", setup, work, transactions * 4, "")


def w2(scale):
    transactions = int(1_000 * scale)
    rows = WIDE_ROWS.format(first="k * 1000 + 1", last="k * 1000 + 1000")
    work = f"""
DO $$ BEGIN
  PERFORM setseed(0.2);
  FOR k IN 0..{transactions - 1} LOOP
    INSERT INTO wide {rows}; COMMIT;
  END LOOP;
END $$;
"""
    title = f"{transactions} transactions of 1000 inserted wide rows"
    return Workload("W2", title, WORDS + WIDE_TABLE, work, transactions * 1000, "")


def w3(scale):
    rows = int(2_000_000 * scale)
    work = "SELECT setseed(0.3) \\g /dev/null\nINSERT INTO wide " + WIDE_ROWS.format(first=1, last=rows) + ";"
    return Workload(
        "W3", f"one transaction of {rows} inserted wide rows", WORDS + WIDE_TABLE, work, rows, "",
        streams=True, subscription="streaming = on")


def w4(scale):
    rows = int(500_000 * scale)
    setup = (WORDS + WIDE_TABLE + "SELECT setseed(0.4) \\g /dev/null\nINSERT INTO wide "
             + WIDE_ROWS.format(first=0, last=rows - 1) + ";")
    # Each row once, in an order that jumps over the table: 7919 is prime and does not divide the number of rows.
    work = f"""
DO $$ BEGIN
  PERFORM setseed(0.5);
  FOR k IN 0..{rows // 50 - 1} LOOP
    UPDATE wide SET amount = amount + 1, active = NOT active, label = words(3)
      WHERE id = ANY (ARRAY(SELECT (i::bigint * 7919) % {rows} FROM generate_series(k * 50, k * 50 + 49) AS i));
    COMMIT;
  END LOOP;
END $$;
"""
    return Workload("W4", f"{rows // 50} transactions of 50 updated wide rows", setup, work, rows, "")


MIXED_TABLE = "(id bigint PRIMARY KEY, v int, label text, updated timestamptz)"


def mixed(name, title, tables, rows, transactions, per_transaction, seed):
    """Inserts at the upper end, deletes at the lower end, updates between: every change finds its row."""
    setup = WORDS + f"""
DO $$ BEGIN
  PERFORM setseed({seed});
  FOR k IN 0..{tables - 1} LOOP
    EXECUTE format('CREATE TABLE mixed_%s {MIXED_TABLE}', k);
    EXECUTE format('INSERT INTO mixed_%s SELECT i, i, words(4), ''2026-01-01'' FROM generate_series(1, {rows}) AS i', k);
  END LOOP;
END $$;
"""
    work = f"""
DO $$
DECLARE
  low bigint[] := array_fill(1::bigint, ARRAY[{tables}]);
  high bigint[] := array_fill({rows}::bigint, ARRAY[{tables}]);
  t int; r float8; moment timestamptz;
BEGIN
  PERFORM setseed({seed} + 0.05);
  FOR k IN 1..{transactions} LOOP
    moment := '2026-01-01'::timestamptz + k * interval '1 second';
    FOR j IN 1..{per_transaction} LOOP
      t := 1 + floor(random() * {tables});
      r := random();
      IF r < 0.4 THEN
        high[t] := high[t] + 1;
        EXECUTE 'INSERT INTO mixed_' || t - 1 || ' VALUES ($1, $2, $3, $4)'
          USING high[t], k, 'inserted in transaction ' || k, moment;
      ELSIF r < 0.8 OR low[t] >= high[t] - 1 THEN
        EXECUTE 'UPDATE mixed_' || t - 1 || ' SET v = $2, updated = $3 WHERE id = $1'
          USING low[t] + floor(random() * (high[t] - low[t] + 1))::bigint, k, moment;
      ELSE
        EXECUTE 'DELETE FROM mixed_' || t - 1 || ' WHERE id = $1' USING low[t];
        low[t] := low[t] + 1;
      END IF;
    END LOOP;
    COMMIT;
  END LOOP;
END $$;
"""
    return Workload(name, title, setup, work, transactions * per_transaction, "")


def w5(scale):
    transactions = int(100_000 * scale)
    title = f"{transactions} transactions of 5 mixed changes in 4 tables"
    return mixed("W5", title, 4, 100_000, transactions, 5, 0.6)


def w6(scale):
    transactions = int(75_000 * scale)
    title = f"{transactions} transactions of 4 mixed changes over 1000 tables"
    return mixed("W6", title, 1000, 100, transactions, 4, 0.7)


MAKERS = {"W1": w1, "W2": w2, "W3": w3, "W4": w4, "W5": w5, "W6": w6}


def make(name, scale):
    return MAKERS[name](scale)
